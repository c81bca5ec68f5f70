#include "runtime/engine_runner.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "base/error.h"
#include "base/knobs.h"
#include "base/log.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "runtime/engine_runner";
constexpr TokenId kPadding[] = {0};
// Rows of logits beside those that tokens are drawn from: 64 of 128,000 float32 are 33 MB.
constexpr int64_t kPromptLogits = 64;
// How long a step waits for masks that are not there when its forward ends (where the device works
// beside the host: when it has been queued). A known state's mask takes some 15 us of one worker of
// two or more: what is added for each row lets them all come, however many there are.
constexpr std::chrono::microseconds kMaskPatience(2000), kMaskPatiencePerRow(20);
// The same where a step is one row that nobody waits behind, since computing it again costs more.
constexpr std::chrono::milliseconds kLonePatience(50);

int64_t or_limit(int64_t wanted, const Plan& plan, std::string_view symbol) {
  if (wanted > 0) return wanted;
  auto it = plan.limits.find(symbol);
  if (it == plan.limits.end()) {
    fail(ErrorCode::kUnsupported, kWhere, "the plan has no limit for '{}'", symbol);
  }
  return it->second;
}

}  // namespace

RunnerLimits runner_limits(const DecoderPlan& decoder, const Plan& plan,
                           const EngineRunnerOptions& options, bool asynchronous) {
  if (decoder.page_tokens != kKvBlockTokens) {
    fail(ErrorCode::kUnsupported, kWhere, "state group '{}': expected pages of {} tokens, found {}",
         decoder.tables[0].name, kKvBlockTokens, decoder.page_tokens);
  }
  RunnerLimits out;
  ModelLimits& model = out.model;
  model.vocab_size = decoder.vocab_size;
  model.max_batch_rows = or_limit(options.max_batch_rows, plan, "batch");
  model.max_batch_tokens = or_limit(options.max_batch_tokens, plan, "tokens");
  model.max_seq_len = options.max_seq_len > 0 ? options.max_seq_len : decoder.max_seq_len;
  if (decoder.trained_len > 0) {
    model.max_seq_len = std::min(model.max_seq_len, decoder.trained_len);
  }
  model.rotations = decoder.rotations;
  DecoderSizes sizes;
  sizes.tokens = model.max_batch_tokens;
  sizes.rows = model.max_batch_rows;
  sizes.seq_len = model.max_seq_len;
  model.max_prompt_logits = std::min(model.max_batch_tokens, kPromptLogits);
  sizes.logit_rows =
      std::min(model.max_batch_tokens,
               model.max_batch_rows * (1 + options.max_draft) + model.max_prompt_logits);
  const int64_t pages = options.kv_pages > 0 ? options.kv_pages : kv_blocks(model.max_seq_len);
  for (const PageTable& table : decoder.tables) {
    int64_t own = pages;
    if (table.kind == KvKind::kWindowed) {
      // What the windows of all rows hold (KvBlocks::pages_for), and a step's tokens before old
      // pages leave. The prefix cache gets no more than that.
      own = std::min(own, sizes.rows * (kv_blocks(table.window) + 2) + kv_blocks(sizes.tokens));
    }
    // One page more than the scheduler knows, for rows that only fill a step up.
    if (asynchronous) out.scratch.push_back(static_cast<PageId>(own));
    sizes.pages.push_back(own + (asynchronous ? 1 : 0));
    model.state_groups.push_back({table.name, table.kind, own, table.window});
  }
  out.symbols = options.executor.limits;
  set_decoder_limits(decoder, sizes, out.symbols);
  return out;
}

EngineRunner::EngineRunner(std::shared_ptr<const Engine> engine, Device& device,
                           EngineRunnerOptions options)
    : device_(device), decoder_(read_decoder_plan(engine->plan)), step_(decoder_) {
  if (decoder_.encodes) {
    fail(ErrorCode::kUnsupported, kWhere,
         "plan '{}' is an encoder, or was built for embeddings: it gives hidden states ('ingot "
         "embed' takes it), and no tokens to go on with",
         decoder_.name);
  }
  asynchronous_ = !device.host_visible();
  capture_ = asynchronous_ && knob_bool("graphs");
  RunnerLimits limits = runner_limits(decoder_, engine->plan, options, asynchronous_);
  limits_ = std::move(limits.model);
  scratch_ = std::move(limits.scratch);
  options.executor.limits = std::move(limits.symbols);
  executor_ = std::make_unique<Executor>(std::move(engine), device, options.executor);
  slots_.resize(static_cast<size_t>(limits_.max_batch_rows));
  masks_ = std::make_unique<GrammarMasks>(slots_.size(),
                                          (static_cast<size_t>(limits_.vocab_size) + 31) / 32,
                                          std::move(options.on_mask_work));
  Sampler::Options sampling;
  sampling.max_tokens = limits_.max_seq_len + 1;
  sampling.max_rows = options.executor.limits.at("logit_rows") + limits_.max_batch_rows;
  sampling.stream = &executor_->stream();
  if (asynchronous_) {
    make_feed(device);
    sampling.kept = {DType::kInt32, {limits_.max_batch_rows}, kept_.data()};
  }
  sampler_ = std::make_unique<Sampler>(device, limits_.vocab_size, sampling);
  for (const PageTable& table : decoder_.tables) {
    auto& views = states_.emplace_back();
    for (const std::string& state : table.states) views.push_back(executor_->state(state));
  }
}

EngineRunner::~EngineRunner() = default;

// What the forward plan reads in place of the batch's ids: a token that was drawn but not read back
// is taken from where the sample plan keeps it.
void EngineRunner::make_feed(Device& device) {
  kept_ = Buffer(device, static_cast<size_t>(limits_.max_batch_rows) * sizeof(int32_t));
  device.fill_zero(kept_.data(), kept_.size(), executor_->stream());
  PlanBuilder b("feed");
  const int ids = b.input("ids", DType::kInt32, {Dim::symbol("tokens")});
  const int kept = b.input("kept", DType::kInt32, {limits_.max_batch_rows});
  b.output(b.step("feed_tokens", {}, {ids, kept})[0], "token_ids");
  const SymbolValues limits = {{"tokens", limits_.max_batch_tokens}};
  auto engine = std::make_shared<Engine>();
  engine->plan = b.finish(limits, {limits});
  ExecutorOptions options;
  options.stream = &executor_->stream();
  feed_ = std::make_unique<Executor>(std::move(engine), device, std::move(options));
  feed_->share_input("kept", {DType::kInt32, {limits_.max_batch_rows}, kept_.data()});
  executor_->share_input("token_ids", feed_->output_storage("token_ids"));
}

void EngineRunner::submit(const Batch& batch) {
  start_slots(batch);
  InFlight step;
  step.batch = &batch;
  step.turn = next_turn_;
  step.result.step = batch.step;
  step.result.rows.assign(batch.rows.size(), {});
  for (const BatchRow& row : batch.rows) {
    step.starts.push_back(slots_[static_cast<size_t>(row.slot)].start);
  }
  CHECK_LT(in_flight_.size(), Sampler::kTurns);
  if (timing_) clock_->begin();
  copy_pages(batch);
  forward(batch);
  if (timing_) clock_->queued();
  sample(batch, step);
  if (timing_) {
    clock_->queued();
    clock_->end();
  }
  next_turn_ = (next_turn_ + 1) % Sampler::kTurns;
  in_flight_.push_back(std::move(step));
}

void EngineRunner::collect(StepResult& result) {
  CHECK(!in_flight_.empty());
  InFlight step = std::move(in_flight_.front());
  in_flight_.pop_front();
  settle(step);
  result = std::move(step.result);
}

void EngineRunner::time_steps() {
  if (!asynchronous_) return;
  if (!clock_) clock_ = std::make_unique<StepClock>(device_, executor_->stream());
  clock_->restart();
  timing_ = true;
}

std::vector<StepTime> EngineRunner::take_step_times() {
  if (!timing_) return {};
  timing_ = false;
  return clock_->take();
}

void EngineRunner::start_slots(const Batch& batch) {
  for (const SlotStart& start : batch.slot_starts) {
    Slot& slot = slots_.at(static_cast<size_t>(start.slot));
    slot.request = start.request;
    slot.choice = start.choice;
    slot.tokens = start.tokens;
    slot.tokens.reserve(static_cast<size_t>(limits_.max_seq_len + kMaxStepTokens));
    slot.unread = 0;
    ++slot.start;
    masks_->begin(start.slot, start.request->sampling.grammar,
                  std::span(start.tokens).subspan(start.request->prompt.size()));
  }
}

void EngineRunner::copy_pages(const Batch& batch) {
  for (const PageCopy& copy : batch.copies) {
    for (const TensorView& state : states_.at(static_cast<size_t>(copy.group))) {
      const auto bytes = static_cast<size_t>(state.bytes() / state.shape[0]);
      executor_->copy_within(state.data + static_cast<size_t>(copy.target) * bytes,
                             state.data + static_cast<size_t>(copy.source) * bytes, bytes);
    }
  }
}

// Sizes that decode steps are padded to: few enough to keep a graph of each, near enough to waste
// little (at most a half below 16 rows, an eighth above).
int64_t padded_rows(int64_t rows, int64_t most) {
  if (rows <= 16) return std::min<int64_t>(most, std::bit_ceil(static_cast<uint64_t>(rows)));
  const int64_t step = rows <= 128 ? 8 : rows <= 256 ? 32 : 64;
  return std::min(most, (rows + step - 1) / step * step);
}

void EngineRunner::forward(const Batch& batch) {
  const int64_t columns = *std::max_element(batch.table_stride.begin(), batch.table_stride.end());
  const bool decode =
      capture_ && std::all_of(batch.rows.begin(), batch.rows.end(), [](const BatchRow& row) {
        return row.query_len == 1 && row.logit_count == 1;
      });
  constexpr uint64_t kLeastColumns = 8;
  const int64_t most = executor_->limits().find(decoder_.tables[0].columns_symbol)->second;
  step_.begin(decode ? std::min<int64_t>(most, static_cast<int64_t>(std::bit_ceil(std::max(
                                                   kLeastColumns, static_cast<uint64_t>(columns)))))
                     : columns);
  add_rows(batch);
  if (decode) pad_rows(batch);
  for (int32_t token : batch.logit_rows) step_.want_logits(token);
  if (decode) {
    for (auto i = static_cast<int32_t>(batch.rows.size()); i < step_.tokens(); ++i) {
      step_.want_logits(i);
    }
  }
  step_.set(*executor_, feed_.get());
  if (feed_) {
    feed_->submit(false);
    executor_->set_symbol("tokens", step_.tokens());
  }
  executor_->submit(decode);
}

void EngineRunner::add_rows(const Batch& batch) {
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    const BatchRow& row = batch.rows[r];
    if (row.query_len == 0) continue;  // samples from its parent's logits
    CHECK_EQ(row.token_begin, step_.tokens());
    const auto begin = batch.token_ids.begin() + row.token_begin;
    row_tokens_.assign(begin, begin + row.query_len);
    const Slot& slot = slots_[static_cast<size_t>(row.slot)];
    for (TokenId& token : row_tokens_) {
      if (token != kLastSampled) continue;
      token = slot.unread > 0 ? -1 - row.slot : slot.tokens.back();  // ops/feed_tokens.cc
    }
    step_.add_row(row_tokens_, row.first_position, limits_.rotation_of(*slot.request));
    for (size_t g = 0; g < states_.size(); ++g) step_.add_pages(g, batch.table(g, r));
  }
  CHECK_EQ(static_cast<size_t>(step_.tokens()), batch.token_ids.size());
}

// Rows of one token that see themselves alone and write where nobody reads.
void EngineRunner::pad_rows(const Batch& batch) {
  const auto rows = static_cast<int64_t>(batch.rows.size());
  const int64_t most = std::min(limits_.max_batch_rows, limits_.max_batch_tokens);
  for (int64_t r = rows; r < padded_rows(rows, most); ++r) {
    step_.add_row(kPadding, 0);
    for (size_t g = 0; g < states_.size(); ++g) step_.add_pages(g, {&scratch_[g], 1});
  }
}

void EngineRunner::add_sample_rows(const Batch& batch, const BatchRow& row) {
  Slot& slot = slots_[static_cast<size_t>(row.slot)];
  CHECK_EQ(static_cast<int64_t>(slot.tokens.size()) + slot.unread,
           row.context_len() - row.draft_len);
  const size_t known = slot.tokens.size();
  const auto guesses = batch.token_ids.begin() + row.token_begin + row.query_len - row.draft_len;
  // Guesses lie behind the known tokens while the rows are drawn; settle() cuts them off again.
  slot.tokens.insert(slot.tokens.end(), guesses, guesses + row.draft_len);
  for (int32_t i = 0; i <= row.draft_len; ++i) {
    SampleRow out;
    out.params = &slot.request->sampling;
    out.choice = slot.choice;
    out.prompt_len = static_cast<int64_t>(slot.request->prompt.size());
    out.history = std::span(slot.tokens).first(known + static_cast<size_t>(i));
    out.unread = slot.unread;
    out.logit_row = row.logit_begin + i;
    out.slot = row.draft_len == 0 ? row.slot : -1;  // which guesses hold is known on the host
    sample_rows_.push_back(out);
  }
}

// The tokens behind those whose logits are wanted are in the prompt.
void EngineRunner::add_prompt_rows(const Batch& batch, const BatchRow& row) {
  const Slot& slot = slots_[static_cast<size_t>(row.slot)];
  for (int32_t i = row.prompt_begin; i < row.prompt_begin + row.prompt_count; ++i) {
    const int32_t token = batch.logit_rows[static_cast<size_t>(i)];
    const int64_t next = row.first_position + (token - row.token_begin) + 1;
    SampleRow out;
    out.params = &slot.request->sampling;
    out.history = slot.request->prompt;
    out.logit_row = i;
    out.given = slot.request->prompt.at(static_cast<size_t>(next));
    sample_rows_.push_back(out);
  }
}

void EngineRunner::sample(const Batch& batch, InFlight& step) {
  auto add_all = [&] {
    sample_rows_.clear();
    for (const BatchRow& row : batch.rows) {
      if (row.logit_count > 0) add_sample_rows(batch, row);
    }
  };
  add_all();
  const bool scores = std::any_of(batch.rows.begin(), batch.rows.end(),
                                  [](const BatchRow& row) { return row.prompt_count > 0; });
  if (sample_rows_.empty() && !scores) {
    step.settled = true;
    return;
  }
  const size_t draws = sample_rows_.size();
  const bool behind = std::any_of(sample_rows_.begin(), sample_rows_.end(),
                                  [](const SampleRow& row) { return row.unread > 0; });
  if (behind && sampler_->reads_history(sample_rows_)) {
    for (InFlight& earlier : in_flight_) settle(earlier);
    add_all();  // steps with guesses do not overlap: none was added twice
  }
  CHECK_EQ(sample_rows_.size(), draws);
  set_masks(batch, step);
  for (const BatchRow& row : batch.rows) {
    if (row.prompt_count == 0) continue;
    step.scored.push_back(slots_[static_cast<size_t>(row.slot)].request);
    add_prompt_rows(batch, row);
  }
  if (sample_rows_.empty()) {
    step.settled = true;
    return;
  }
  sampler_->submit(executor_->output("logits"), sample_rows_, step.turn);
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    const BatchRow& row = batch.rows[r];
    if (step.draws(r) && row.draft_len == 0) ++slots_[static_cast<size_t>(row.slot)].unread;
  }
}

bool EngineRunner::InFlight::draws(size_t row) const {
  return batch->rows[row].logit_count > 0 && !std::ranges::binary_search(put_off, row);
}

std::span<const size_t> EngineRunner::put_off() const {
  return in_flight_.empty() ? std::span<const size_t>() : in_flight_.back().put_off;
}

// A row alone on a device that is the host: no other step is under way whose tokens are waited for.
std::chrono::nanoseconds EngineRunner::mask_patience(const Batch& batch) const {
  if (!asynchronous_ && batch.rows.size() == 1) return kLonePatience;
  const auto in_forms = std::ranges::count_if(
      sample_rows_, [](const SampleRow& row) { return row.params->grammar != nullptr; });
  return kMaskPatience + in_forms * kMaskPatiencePerRow;
}

// All tokens before those to draw are known here: a plan with masks reads the history. Rows that
// are put off leave the rows to sample.
void EngineRunner::set_masks(const Batch& batch, InFlight& step) {
  const auto until = std::chrono::steady_clock::now() + mask_patience(batch);
  auto next = sample_rows_.begin();
  auto kept = next;
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    const BatchRow& row = batch.rows[r];
    if (row.logit_count == 0) continue;
    const auto end = next + row.draft_len + 1;
    if (next->params->grammar != nullptr) {
      CHECK_EQ(row.draft_len, 0);
      if (row.may_put_off && !masks_->ready(row.slot, until)) {
        step.put_off.push_back(r);
        next = end;
        continue;
      }
      const GrammarMasks::Mask mask = masks_->mask(row.slot);
      if (mask.state == GrammarMasks::State::kOpen) next->mask = mask.bits;
      if (mask.state == GrammarMasks::State::kFault) step.unmasked.push_back(r);
    }
    while (next != end) *kept++ = *next++;
  }
  sample_rows_.erase(kept, sample_rows_.end());
}

// Waits for the step's tokens and gives them to its result and to the slots.
void EngineRunner::settle(InFlight& step) {
  if (step.settled) return;
  step.settled = true;
  sampler_->collect(step.turn, drawn_);
  size_t next = 0;
  for (size_t r = 0; r < step.batch->rows.size(); ++r) {
    const BatchRow& row = step.batch->rows[r];
    if (!step.draws(r)) continue;
    const auto count = static_cast<size_t>(row.draft_len) + 1;
    Slot& slot = slots_[static_cast<size_t>(row.slot)];
    const bool current = slot.start == step.starts[r];
    const auto drawn = std::span(drawn_).subspan(next, count);
    settle_row(row, slot, current, drawn, step.result.rows[r]);
    next += count;
  }
  for (const size_t r : step.unmasked) {
    step.result.rows[r] = {};
    step.result.rows[r].failure = FinishReason::kFormFault;
  }
  size_t scored = 0;
  for (size_t r = 0; r < step.batch->rows.size(); ++r) {
    const auto count = static_cast<size_t>(step.batch->rows[r].prompt_count);
    if (count == 0) continue;
    settle_prompt(*step.scored[scored++], std::span(drawn_).subspan(next, count),
                  step.result.rows[r]);
    next += count;
  }
}

void EngineRunner::settle_prompt(const Request& request, std::span<Sampler::Drawn> scored,
                                 RowResult& out) {
  for (Sampler::Drawn& one : scored) {
    if (std::isnan(one.logprobs.chosen)) {
      spdlog::warn("request {}: logits of the prompt are not finite", request.id);
      out.failure = FinishReason::kBadLogits;
      return;
    }
    out.prompt_logprobs.push_back(std::move(one.logprobs));
  }
}

// `current`: the slot still holds the row's sequence; if not, the scheduler has dropped the row.
void EngineRunner::settle_row(const BatchRow& row, Slot& slot, bool current,
                              std::span<Sampler::Drawn> drawn, RowResult& out) {
  const size_t known = slot.tokens.size() - static_cast<size_t>(current ? row.draft_len : 0);
  for (size_t i = 0; i < drawn.size(); ++i) {
    if (drawn[i].token < 0) {
      out = {};
      out.failure = FinishReason::kBadLogits;
      spdlog::warn("request {}: logits are not finite after {} tokens", slot.request->id,
                   known + i);
      break;
    }
    out.tokens[out.count++] = drawn[i].token;
    if (drawn[i].has_logprobs) out.logprobs.push_back(std::move(drawn[i].logprobs));
    const bool last = i + 1 == drawn.size();
    if (!last && (!current || slot.tokens[known + i] != drawn[i].token)) break;
  }
  if (!current) return;
  slot.tokens.resize(known);
  slot.tokens.insert(slot.tokens.end(), out.tokens.begin(), out.tokens.begin() + out.count);
  masks_->take(row.slot, std::span(out.tokens).first(out.count));
  if (row.draft_len == 0) --slot.unread;
}

}  // namespace ingot
