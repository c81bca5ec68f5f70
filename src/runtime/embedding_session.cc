#include "runtime/embedding_session.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/error.h"
#include "base/knobs.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "runtime/embedding_session";
// Where nobody asks for longer texts: all of a text is computed in one step.
constexpr int64_t kDefaultContext = 8192;

DecoderPlan read_embedding_plan(const Plan& plan) {
  DecoderPlan out = read_decoder_plan(plan);
  if (!out.encodes) {
    fail(ErrorCode::kUnsupported, kWhere,
         "plan '{}' gives logits: expected hidden states ('ingot build --task embed' makes an "
         "engine that gives them)",
         out.name);
  }
  if (out.page_tokens != kKvBlockTokens) {
    fail(ErrorCode::kUnsupported, kWhere, "state group '{}': expected pages of {} tokens, found {}",
         out.tables[0].name, kKvBlockTokens, out.page_tokens);
  }
  return out;
}

EmbeddingLimits limits_of(const DecoderPlan& decoder, const Plan& plan, const EmbeddingRules& rules,
                          const EmbeddingOptions& options) {
  EmbeddingLimits out;
  out.vocab_size = decoder.vocab_size;
  out.columns = decoder.columns;
  out.rows = options.sequences;
  int64_t most = decoder.max_seq_len;
  if (rules.max_tokens > 0) most = std::min(most, rules.max_tokens);
  out.max_tokens = std::min(most, options.context > 0 ? options.context : kDefaultContext);
  const auto built_for = plan.limits.find("tokens");
  out.step_tokens = options.step_tokens > 0          ? options.step_tokens
                    : built_for != plan.limits.end() ? built_for->second
                                                     : out.max_tokens;
  if (options.step_tokens > 0 && options.context == 0) {
    out.max_tokens = std::min(out.max_tokens, out.step_tokens);
  }
  out.step_tokens = std::max(out.step_tokens, out.max_tokens);
  return out;
}

// A sequence begins a page, so that each may leave most of one empty.
int64_t pool_pages(const EmbeddingLimits& limits) {
  return limits.step_tokens / kKvBlockTokens + limits.rows;
}

SymbolValues symbols_of(const DecoderPlan& decoder, const EmbeddingLimits& limits,
                        Pooling pooling) {
  DecoderSizes sizes;
  sizes.tokens = limits.step_tokens;
  sizes.rows = limits.rows;
  sizes.seq_len = limits.max_tokens;
  sizes.logit_rows = pooling == Pooling::kMean ? limits.step_tokens : limits.rows;
  sizes.pages.assign(decoder.tables.size(), pool_pages(limits));
  SymbolValues out;
  set_decoder_limits(decoder, sizes, out);
  return out;
}

}  // namespace

bool is_embedding_engine(const Engine& engine) {
  return is_decoder_plan(engine.plan) && engine.plan.find("logits") == kNoValue;
}

EmbeddingRules engine_embedding_rules(const Engine& engine, const std::string& name) {
  if (!is_embedding_engine(engine)) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: expected an engine that gives hidden states, found {} ('ingot build --task embed' "
         "makes one of a language model)",
         name, engine.extra("network") ? "a network's" : "one that gives logits");
  }
  if (const std::string* why = engine.extra("no_embedding")) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: its embeddings are not computed here: {}", name,
         *why);
  }
  const std::string* json = engine.extra("embedding");
  if (!json) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: the engine says nothing about embeddings: expected one that this version built",
         name);
  }
  const std::string file = name + ": section 'embedding'";
  return embedding_rules_from_json(parse_json(*json, kWhere, file), file);
}

SessionMemory embedding_memory(const Engine& engine, const EmbeddingRules& rules,
                               const EmbeddingOptions& options, const Device& device) {
  const DecoderPlan decoder = read_embedding_plan(engine.plan);
  const EmbeddingLimits limits = limits_of(decoder, engine.plan, rules, options);
  SessionMemory out = memory_at(engine, symbols_of(decoder, limits, rules.pooling), device);
  out.kv_tokens = pool_pages(limits) * kKvBlockTokens;
  out.rows = limits.rows;
  out.step_tokens = limits.step_tokens;
  out.context = limits.max_tokens;
  return out;
}

EmbeddingSession::EmbeddingSession(std::shared_ptr<const Engine> engine,
                                   const EmbeddingRules& rules, Device& device,
                                   const EmbeddingOptions& options)
    : decoder_(read_embedding_plan(engine->plan)),
      rules_(rules),
      limits_(limits_of(decoder_, engine->plan, rules, options)),
      inputs_(decoder_) {
  check_session_fits(embedding_memory(*engine, rules, options, device));
  ExecutorOptions execution;
  execution.selection.reference = options.reference || knob_bool("reference");
  execution.selection.invariant = knob_bool("invariant");
  execution.limits = symbols_of(decoder_, limits_, rules_.pooling);
  executor_ = std::make_unique<Executor>(std::move(engine), device, std::move(execution));
}

void EmbeddingSession::add(std::span<const int32_t> tokens, PageId& next_page) {
  const int32_t first = inputs_.tokens();
  const auto count = static_cast<int32_t>(tokens.size());
  inputs_.add_row(tokens, 0, decoder_.rotations.set_of(count, count));
  pages_.clear();
  for (int64_t p = 0; p < kv_blocks(count); ++p) pages_.push_back(next_page++);
  for (size_t t = 0; t < decoder_.tables.size(); ++t) inputs_.add_pages(t, pages_);
  switch (rules_.pooling) {
    case Pooling::kMean:
      for (int32_t i = 0; i < count; ++i) inputs_.want_logits(first + i);
      break;
    case Pooling::kFirst:
      inputs_.want_logits(first);
      break;
    case Pooling::kLast:
      inputs_.want_logits(first + count - 1);
      break;
  }
}

std::vector<std::vector<float>> EmbeddingSession::embed(
    std::span<const std::span<const int32_t>> sequences) {
  CHECK_LE(static_cast<int64_t>(sequences.size()), limits_.rows);
  if (sequences.empty()) return {};
  inputs_.begin(kv_blocks(limits_.max_tokens));
  PageId next_page = 0;
  for (const auto tokens : sequences) {
    CHECK(!tokens.empty() && static_cast<int64_t>(tokens.size()) <= limits_.max_tokens);
    add(tokens, next_page);
  }
  CHECK_LE(int64_t{inputs_.tokens()}, limits_.step_tokens);
  inputs_.set(*executor_);
  executor_->run();
  const TensorView hidden = executor_->fetch(executor_->output("hidden"), host_);
  std::vector<std::vector<float>> out;
  int64_t row = 0;
  for (const auto tokens : sequences) {
    const int64_t count =
        rules_.pooling == Pooling::kMean ? static_cast<int64_t>(tokens.size()) : 1;
    out.push_back(pool(hidden, row, count));
    row += count;
  }
  CHECK_EQ(row, hidden.shape[0]);
  return out;
}

std::vector<float> EmbeddingSession::pool(const TensorView& hidden, int64_t first,
                                          int64_t count) const {
  std::vector<float> out(static_cast<size_t>(limits_.columns));
  load_row(hidden, first, 0, limits_.columns, out.data());
  if (count > 1) {
    std::vector<double> sums(out.begin(), out.end());
    for (int64_t r = 1; r < count; ++r) {
      load_row(hidden, first + r, 0, limits_.columns, out.data());
      for (size_t c = 0; c < out.size(); ++c) sums[c] += static_cast<double>(out[c]);
    }
    for (size_t c = 0; c < out.size(); ++c) {
      out[c] = static_cast<float>(sums[c] / static_cast<double>(count));
    }
  }
  if (rules_.normalize) normalize(out);
  return out;
}

void normalize(std::vector<float>& vector) {
  double squares = 0;
  for (const float x : vector) squares += static_cast<double>(x) * static_cast<double>(x);
  if (!(squares > 0) || !std::isfinite(squares)) return;
  const double scale = 1 / std::sqrt(squares);
  for (float& x : vector) x = static_cast<float>(static_cast<double>(x) * scale);
}

void check_embedding_ids(std::span<const int32_t> ids, const EmbeddingLimits& limits) {
  for (const int32_t id : ids) {
    if (id >= 0 && id < limits.vocab_size) continue;
    fail(ErrorCode::kInvalidArgument, kWhere, "token id {}: the model has 0 to {}", id,
         limits.vocab_size - 1);
  }
}

std::vector<int32_t> embedding_ids(const Tokenizer& tokenizer, const EmbeddingRules& rules,
                                   std::string_view text, const EmbeddingText& options) {
  const std::string prompted =
      rules.prompt.empty() ? std::string() : rules.prompt + std::string(text);
  const std::string_view whole = rules.prompt.empty() ? text : std::string_view(prompted);
  std::vector<int32_t> ids = tokenizer.encode(whole, {.add_special = options.add_special});
  const auto most = static_cast<size_t>(options.truncate);
  if (options.truncate <= 0 || ids.size() <= most) return ids;
  // What is cut are tokens of the text: those that are added around it stay.
  const std::vector<int32_t> bare = tokenizer.encode(whole, {.add_special = false});
  const auto body = std::search(ids.begin(), ids.end(), bare.begin(), bare.end());
  const size_t added = ids.size() - bare.size();
  if (body == ids.end() || added > most) {
    ids.resize(most);
    return ids;
  }
  const auto end = body + static_cast<ptrdiff_t>(bare.size());
  ids.erase(end - static_cast<ptrdiff_t>(ids.size() - most), end);
  return ids;
}

}  // namespace ingot
