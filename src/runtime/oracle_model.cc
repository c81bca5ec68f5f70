#include "runtime/oracle_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/random.h"
#include "text/grammar.h"

namespace ingot {
namespace {

uint64_t mix(uint64_t state, int64_t a, int64_t b) {
  return random_u64(state ^ (static_cast<uint64_t>(a) * 0x9ddfea08eb382d69ull),
                    static_cast<uint64_t>(b));
}

uint64_t fold_state(uint64_t state, TokenId token) { return mix(state, token, 77); }

// Everything that the model would attend to: part(group) is the hash of a group's tokens. A cross
// group's adds nothing while it is right.
template <typename Part>
uint64_t fold(const ModelLimits& limits, Part part) {
  uint64_t h = 0;
  for (size_t g = 0; g < limits.state_groups.size(); ++g) {
    const uint64_t own = part(g);
    const KvKind kind = limits.state_groups[g].kind;
    const bool positions = kind == KvKind::kPaged || kind == KvKind::kWindowed;
    // Two groups of the same tokens must not cancel each other.
    h ^= positions && g > 0 ? random_u64(own, g) : own;
  }
  return h;
}

// Of positions [first, context), as read(position) gives them.
template <typename Read>
uint64_t fold_positions(const KvGroup& group, int64_t context, Read read) {
  const int64_t first =
      group.kind == KvKind::kWindowed ? std::max<int64_t>(0, context - group.window) : 0;
  uint64_t h = 1;
  for (int64_t p = first; p < context; ++p) h = mix(h, read(p), p);
  return h;
}

uint64_t fold_tokens(const ModelLimits& limits, std::span<const TokenId> tokens) {
  return fold(limits, [&](size_t g) -> uint64_t {
    const KvGroup& group = limits.state_groups[g];
    if (group.kind == KvKind::kCross) return 0;
    if (group.kind == KvKind::kFixed) {
      return std::accumulate(tokens.begin(), tokens.end(), uint64_t{0}, fold_state);
    }
    return fold_positions(group, static_cast<int64_t>(tokens.size()),
                          [&](int64_t p) { return tokens[static_cast<size_t>(p)]; });
  });
}

// What a cross group's page of a request holds.
uint64_t cross_state(const Request& request, size_t block) {
  uint64_t h = mix(2, request.cross_tokens, static_cast<int64_t>(block));
  for (const TokenId token : request.prompt) h = fold_state(h, token);
  return h;
}

TokenId draw(uint64_t hash, int64_t vocab, uint64_t seed, int32_t choice) {
  const auto n = static_cast<uint64_t>(vocab);
  return static_cast<TokenId>(
      random_below(hash ^ (seed * 3), static_cast<uint64_t>(choice) + 5, n));
}

bool is_permitted(const SamplingParams& p, std::span<const TokenId> bad_ends, TokenId token) {
  const auto& allowed = p.allowed_token_ids;
  if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), token) == allowed.end()) {
    return false;
  }
  for (const auto& [id, value] : p.logit_bias) {
    if (id == token && value == -INFINITY) return false;
  }
  return std::find(bad_ends.begin(), bad_ends.end(), token) == bad_ends.end();
}

// Empty: any token may come. No bit: the grammar cannot go on.
std::vector<uint32_t> grammar_mask(const SamplingParams& p, int64_t vocab_size,
                                   std::span<const TokenId> output) {
  if (p.grammar == nullptr) return {};
  GrammarMatcher matcher(p.grammar);
  for (const TokenId token : output) matcher.accept(token);
  if (matcher.terminated()) return {};
  std::vector<uint32_t> bits((static_cast<size_t>(vocab_size) + 31) / 32);
  if (matcher.mask(bits) != GrammarMatcher::Result::kOk) std::ranges::fill(bits, 0U);
  return bits;
}

TokenId masked(const ModelLimits& limits, const Request& request, std::span<const TokenId> tokens,
               TokenId token) {
  const SamplingParams& p = request.sampling;
  if (!has_masks(p) && p.grammar == nullptr) return token;
  const std::span<const TokenId> output = tokens.subspan(request.prompt.size());
  std::vector<TokenId> bad_ends;
  bad_word_ends(p, output, bad_ends);
  const std::vector<uint32_t> mask = grammar_mask(p, limits.vocab_size, output);
  for (int64_t i = 0; i < limits.vocab_size; ++i) {
    const auto next = static_cast<TokenId>((token + i) % limits.vocab_size);
    const auto bit = static_cast<uint32_t>(next);
    if (!mask.empty() && (mask[bit / 32] >> (bit % 32) & 1) == 0) continue;
    if (is_permitted(p, bad_ends, next)) return next;
  }
  return -1;
}

// In [-8, 0), fine enough that two sums are practically never equal.
float made_up(uint64_t hash, TokenId token) {
  const auto steps = random_below(hash, static_cast<uint64_t>(token) + 1000, uint64_t{1} << 24);
  return -static_cast<float>(steps + 1) * 0x1p-21f;
}

std::vector<std::pair<TokenId, float>> best(uint64_t hash, int64_t vocab, size_t count) {
  std::vector<std::pair<TokenId, float>> all;
  if (count == 0) return all;
  all.reserve(static_cast<size_t>(vocab));
  for (TokenId t = 0; t < vocab; ++t) all.emplace_back(t, made_up(hash, t));
  count = std::min(all.size(), count);
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(count), all.end(),
                    [](const auto& a, const auto& b) {
                      return a.second != b.second ? a.second > b.second : a.first < b.first;
                    });
  all.resize(count);
  return all;
}

}  // namespace

TokenId oracle_next(const ModelLimits& limits, std::span<const TokenId> tokens, uint64_t seed,
                    int32_t choice) {
  return draw(fold_tokens(limits, tokens), limits.vocab_size, seed, choice);
}

TokenId oracle_next(const ModelLimits& limits, std::span<const TokenId> tokens,
                    const Request& request, int32_t choice) {
  const TokenId token = oracle_next(limits, tokens, request.sampling.seed, choice);
  return masked(limits, request, tokens, token);
}

float oracle_logprob(const ModelLimits& limits, std::span<const TokenId> tokens, TokenId token) {
  return made_up(fold_tokens(limits, tokens), token);
}

std::vector<std::pair<TokenId, float>> oracle_top(const ModelLimits& limits,
                                                  std::span<const TokenId> tokens, size_t count) {
  return best(fold_tokens(limits, tokens), limits.vocab_size, count);
}

OracleModel::OracleModel(ModelLimits limits) : limits_(std::move(limits)) {
  for (const KvGroup& group : limits_.state_groups) {
    pools_.emplace_back(static_cast<size_t>(group.num_pages));
  }
  slots_.resize(static_cast<size_t>(limits_.max_batch_rows));
}

void OracleModel::submit(const Batch& batch) {
  if (on_submit) on_submit(batch.step);
  CHECK_LE(batch.rows.size(), slots_.size());
  CHECK_LE(static_cast<int64_t>(batch.token_ids.size()), limits_.max_batch_tokens);
  int64_t prompt_logits = 0;
  for (const BatchRow& row : batch.rows) prompt_logits += row.prompt_count;
  if (limits_.max_prompt_logits > 0) CHECK_LE(prompt_logits, limits_.max_prompt_logits);
  Submitted& step = queue_.emplace_back(Submitted{&batch, {}});
  for (size_t r = 0; draw_is_due && r < batch.rows.size(); ++r) {
    const BatchRow& row = batch.rows[r];
    if (row.may_put_off && !draw_is_due(row.slot)) step.put_off.push_back(r);
  }
}

std::span<const size_t> OracleModel::put_off() const {
  return queue_.empty() ? std::span<const size_t>() : queue_.back().put_off;
}

void OracleModel::copy(const PageCopy& copy) {
  auto& pool = pools_.at(static_cast<size_t>(copy.group));
  pool.at(static_cast<size_t>(copy.target)) = pool.at(static_cast<size_t>(copy.source));
}

void OracleModel::collect(StepResult& result) {
  CHECK(!queue_.empty());
  const Submitted step = std::move(queue_.front());
  queue_.pop_front();
  const Batch& batch = *step.batch;
  if (on_collect) on_collect(batch.step);
  result.step = batch.step;
  result.rows.assign(batch.rows.size(), {});
  for (const SlotStart& start : batch.slot_starts) {
    slots_.at(static_cast<size_t>(start.slot)) = {start.request, start.choice, start.tokens};
  }
  for (const PageCopy& c : batch.copies) copy(c);
  resolve(batch);
  for (size_t r = 0; r < batch.rows.size(); ++r) write(batch, r);
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    score_prompt(batch, r, result.rows[r]);
    if (!std::ranges::binary_search(step.put_off, r)) sample(batch, r, result.rows[r]);
  }
}

void OracleModel::resolve(const Batch& batch) {
  resolved_ = batch.token_ids;
  for (const BatchRow& row : batch.rows) {
    for (int32_t i = 0; i < row.query_len; ++i) {
      const int32_t at = row.token_begin + i;
      TokenId& token = resolved_.at(static_cast<size_t>(at));
      if (token == kLastSampled) token = slots_.at(static_cast<size_t>(row.slot)).tokens.back();
    }
  }
}

void OracleModel::write_fixed(Page& page, const BatchRow& row) {
  if (row.first_position == 0) {
    page.state = 0;
    page.state_tokens = 0;
  }
  // A state that is not exactly that of the tokens before the row is spoiled for good.
  if (page.state_tokens != row.first_position) page.state = mix(page.state, -1, 1);
  page.trail.clear();
  for (int32_t i = 0; i < row.query_len; ++i) {
    const int32_t at = row.token_begin + i;
    page.state = fold_state(page.state, resolved_[static_cast<size_t>(at)]);
    page.trail.push_back(page.state);
  }
  page.state_tokens = row.context_len();
}

// The encoder's positions, once: by the row that starts the sequence.
void OracleModel::write_cross(std::span<const PageId> table, std::vector<Page>& pool,
                              const BatchRow& row) const {
  const Request& request = *slots_.at(static_cast<size_t>(row.slot)).request;
  const auto blocks = static_cast<size_t>(kv_blocks(request.cross_tokens));
  for (size_t b = 0; b < blocks; ++b) {
    pool.at(static_cast<size_t>(table[b])).state = cross_state(request, b);
  }
}

// 0: all pages hold what the request wrote.
uint64_t OracleModel::read_cross(std::span<const PageId> table, const std::vector<Page>& pool,
                                 const BatchRow& row) const {
  const Request& request = *slots_.at(static_cast<size_t>(row.slot)).request;
  const auto blocks = static_cast<size_t>(kv_blocks(request.cross_tokens));
  if (table.size() < blocks) return 1;
  for (size_t b = 0; b < blocks; ++b) {
    const PageId id = table[b];
    if (id == kNoPage) return 2;
    if (pool.at(static_cast<size_t>(id)).state != cross_state(request, b)) return 3;
  }
  return 0;
}

void OracleModel::write(const Batch& batch, size_t r) {
  const BatchRow& row = batch.rows[r];
  if (row.query_len == 0) return;
  for (size_t g = 0; g < pools_.size(); ++g) {
    const auto table = batch.table(g, r);
    if (limits_.state_groups[g].kind == KvKind::kCross) {
      if (row.first_position == 0) write_cross(table, pools_[g], row);
      continue;
    }
    if (limits_.state_groups[g].kind == KvKind::kFixed) {
      write_fixed(pools_[g].at(static_cast<size_t>(table[0])), row);
      continue;
    }
    for (int32_t i = 0; i < row.query_len; ++i) {
      const int64_t position = row.first_position + i;
      const PageId id = table[static_cast<size_t>(position / kKvBlockTokens)];
      Page& page = pools_[g].at(static_cast<size_t>(id));
      if (page.writer != row.slot) ++page.generation;
      page.writer = row.slot;
      const int32_t at = row.token_begin + i;
      page.cells[static_cast<size_t>(position % kKvBlockTokens)] = {
          resolved_[static_cast<size_t>(at)], position};
    }
  }
}

uint64_t OracleModel::read_back(const Batch& batch, size_t r, int64_t context) const {
  return fold(limits_, [&](size_t g) -> uint64_t {
    const KvGroup& group = limits_.state_groups[g];
    const auto table = batch.table(g, r);
    if (group.kind == KvKind::kCross) return read_cross(table, pools_[g], batch.rows[r]);
    if (group.kind == KvKind::kFixed) {
      const Page& page = pools_[g].at(static_cast<size_t>(table[0]));
      const int64_t back = page.state_tokens - context;  // tokens written behind the context
      if (back == 0) return page.state;
      const auto known = static_cast<int64_t>(page.trail.size());
      return back > 0 && back < known ? page.trail[static_cast<size_t>(known - 1 - back)]
                                      : ~page.state;
    }
    return fold_positions(group, context, [&](int64_t p) -> int64_t {
      const PageId id = table[static_cast<size_t>(p / kKvBlockTokens)];
      if (id == kNoPage) return -1;
      const Cell& cell =
          pools_[g].at(static_cast<size_t>(id)).cells[static_cast<size_t>(p % kKvBlockTokens)];
      // The right token of the wrong place must not pass.
      return cell.position == p ? cell.token : -2 - cell.position;
    });
  });
}

void OracleModel::score_prompt(const Batch& batch, size_t r, RowResult& result) const {
  const BatchRow& row = batch.rows[r];
  const Request& request = *slots_.at(static_cast<size_t>(row.slot)).request;
  for (int32_t i = 0; i < row.prompt_count; ++i) {
    const int32_t at = row.prompt_begin + i;
    const int32_t token = batch.logit_rows.at(static_cast<size_t>(at));
    const int64_t context = row.first_position + (token - row.token_begin) + 1;
    const uint64_t hash = read_back(batch, r, context);
    const TokenId next = request.prompt.at(static_cast<size_t>(context));
    const auto count = static_cast<size_t>(request.sampling.prompt_logprobs);
    result.prompt_logprobs.push_back({made_up(hash, next), best(hash, limits_.vocab_size, count)});
  }
}

void OracleModel::sample(const Batch& batch, size_t r, RowResult& result) {
  const BatchRow& row = batch.rows[r];
  if (row.logit_count == 0) return;
  Slot& slot = slots_.at(static_cast<size_t>(row.slot));
  const SamplingParams& p = slot.request->sampling;
  const int64_t first_context = row.context_len() - row.draft_len;
  for (int32_t i = 0; i <= row.draft_len; ++i) {
    const uint64_t hash = read_back(batch, r, first_context + i);
    const TokenId token = masked(limits_, *slot.request, slot.tokens,
                                 draw(hash, limits_.vocab_size, p.seed, slot.choice));
    if (token < 0) {
      result = {};
      result.failure = p.grammar ? FinishReason::kFormFault : FinishReason::kBadLogits;
      return;
    }
    result.tokens[result.count++] = token;
    slot.tokens.push_back(token);
    if (p.beam_width > 1 || p.logprobs >= 0) {
      const auto count =
          static_cast<size_t>(p.beam_width > 1 ? beam_candidate_count(p) : p.logprobs);
      result.logprobs.push_back({made_up(hash, token), best(hash, limits_.vocab_size, count)});
    }
    const int32_t guess = row.token_begin + row.query_len - row.draft_len + i;
    if (i < row.draft_len && resolved_[static_cast<size_t>(guess)] != token) break;
  }
}

void OracleModel::corrupt(int32_t group, PageId id) {
  Page& page = pools_.at(static_cast<size_t>(group)).at(static_cast<size_t>(id));
  for (Cell& cell : page.cells) cell.token ^= 1;
  page.state ^= 1;
}

}  // namespace ingot
