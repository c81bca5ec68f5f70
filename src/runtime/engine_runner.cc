#include "runtime/engine_runner.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "runtime/engine_runner";

int64_t or_limit(int64_t wanted, const Plan& plan, std::string_view symbol) {
  if (wanted > 0) return wanted;
  auto it = plan.limits.find(symbol);
  if (it == plan.limits.end()) {
    fail(ErrorCode::kUnsupported, kWhere, "the plan has no limit for '{}'", symbol);
  }
  return it->second;
}

}  // namespace

EngineRunner::EngineRunner(std::shared_ptr<const Engine> engine, Device& device,
                           EngineRunnerOptions options)
    : decoder_(read_decoder_plan(engine->plan)), step_(decoder_) {
  set_limits(engine->plan, options);
  executor_ = std::make_unique<Executor>(engine, device, options.executor);
  if (!device.host_visible()) sampling_device_ = make_cpu_device(1);
  sampler_ = std::make_unique<Sampler>(sampling_device_ ? *sampling_device_ : device,
                                       limits_.vocab_size, limits_.max_seq_len + 1);
  slots_.resize(static_cast<size_t>(limits_.max_batch_rows));
  for (const DecoderPlan::Table& table : decoder_.tables) {
    auto& views = states_.emplace_back();
    for (const std::string& state : table.states) views.push_back(executor_->state(state));
  }
}

EngineRunner::~EngineRunner() = default;

void EngineRunner::set_limits(const Plan& plan, EngineRunnerOptions& options) {
  if (decoder_.page_tokens != kKvBlockTokens) {
    fail(ErrorCode::kUnsupported, kWhere, "state group '{}': expected pages of {} tokens, found {}",
         decoder_.tables[0].name, kKvBlockTokens, decoder_.page_tokens);
  }
  limits_.vocab_size = decoder_.vocab_size;
  limits_.max_batch_rows = or_limit(options.max_batch_rows, plan, "batch");
  limits_.max_batch_tokens = or_limit(options.max_batch_tokens, plan, "tokens");
  limits_.max_seq_len = options.max_seq_len > 0 ? options.max_seq_len : decoder_.max_seq_len;
  if (decoder_.trained_len > 0) {
    limits_.max_seq_len = std::min(limits_.max_seq_len, decoder_.trained_len);
  }
  DecoderSizes sizes;
  sizes.tokens = limits_.max_batch_tokens;
  sizes.rows = limits_.max_batch_rows;
  sizes.seq_len = limits_.max_seq_len;
  sizes.logit_rows =
      std::min(limits_.max_batch_tokens, limits_.max_batch_rows * (1 + options.max_draft));
  const int64_t pages = options.kv_pages > 0 ? options.kv_pages : kv_blocks(limits_.max_seq_len);
  for (const DecoderPlan::Table& table : decoder_.tables) {
    int64_t own = pages;
    if (table.kind == KvKind::kWindowed) {
      // What the windows of all rows hold (KvBlocks::pages_for), and a step's tokens before old
      // pages leave. The prefix cache gets no more than that.
      own = std::min(own, sizes.rows * (kv_blocks(table.window) + 2) + kv_blocks(sizes.tokens));
    }
    sizes.pages.push_back(own);
    limits_.state_groups.push_back({table.name, table.kind, own, table.window});
  }
  set_decoder_limits(decoder_, sizes, options.executor.limits);
}

void EngineRunner::submit(const Batch& batch) { queue_.push_back(&batch); }

void EngineRunner::collect(StepResult& result) {
  CHECK(!queue_.empty());
  const Batch& batch = *queue_.front();
  queue_.pop_front();
  result.step = batch.step;
  result.rows.assign(batch.rows.size(), {});
  for (const SlotStart& start : batch.slot_starts) {
    Slot& slot = slots_.at(static_cast<size_t>(start.slot));
    slot.request = start.request;
    slot.choice = start.choice;
    slot.tokens = start.tokens;
    slot.tokens.reserve(static_cast<size_t>(limits_.max_seq_len + kMaxStepTokens));
  }
  copy_pages(batch);
  forward(batch);
  sample(batch, result);
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

void EngineRunner::forward(const Batch& batch) {
  step_.begin(*std::max_element(batch.table_stride.begin(), batch.table_stride.end()));
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    const BatchRow& row = batch.rows[r];
    if (row.query_len == 0) continue;  // samples from its parent's logits
    CHECK_EQ(row.token_begin, step_.tokens());
    const auto begin = batch.token_ids.begin() + row.token_begin;
    row_tokens_.assign(begin, begin + row.query_len);
    for (TokenId& token : row_tokens_) {
      if (token == kLastSampled) token = slots_[static_cast<size_t>(row.slot)].tokens.back();
    }
    step_.add_row(row_tokens_, row.first_position);
    for (size_t g = 0; g < states_.size(); ++g) step_.add_pages(g, batch.table(g, r));
  }
  CHECK_EQ(static_cast<size_t>(step_.tokens()), batch.token_ids.size());
  for (int32_t token : batch.logit_rows) step_.want_logits(token);
  step_.set(*executor_);
  executor_->run();
}

void EngineRunner::add_sample_rows(const Batch& batch, const BatchRow& row) {
  Slot& slot = slots_[static_cast<size_t>(row.slot)];
  CHECK_EQ(static_cast<int64_t>(slot.tokens.size()), row.context_len() - row.draft_len);
  const size_t known = slot.tokens.size();
  const auto guesses = batch.token_ids.begin() + row.token_begin + row.query_len - row.draft_len;
  // Guesses lie behind the known tokens while the rows are drawn; sample() cuts them off again.
  slot.tokens.insert(slot.tokens.end(), guesses, guesses + row.draft_len);
  for (int32_t i = 0; i <= row.draft_len; ++i) {
    SampleRow out;
    out.params = &slot.request->sampling;
    out.choice = slot.choice;
    out.prompt_len = static_cast<int64_t>(slot.request->prompt.size());
    out.history = std::span(slot.tokens).first(known + static_cast<size_t>(i));
    out.logit_row = row.logit_begin + i;
    sample_rows_.push_back(out);
  }
}

void EngineRunner::sample(const Batch& batch, StepResult& result) {
  sample_rows_.clear();
  for (const BatchRow& row : batch.rows) {
    if (row.logit_count > 0) add_sample_rows(batch, row);
  }
  if (sample_rows_.empty()) return;
  const TensorView logits = executor_->fetch(executor_->output("logits"), host_logits_);
  sampler_->run(logits, sample_rows_, drawn_);
  size_t next = 0;
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    const BatchRow& row = batch.rows[r];
    if (row.logit_count == 0) continue;
    Slot& slot = slots_[static_cast<size_t>(row.slot)];
    RowResult& out = result.rows[r];
    const size_t known = slot.tokens.size() - static_cast<size_t>(row.draft_len);
    for (int32_t i = 0; i <= row.draft_len; ++i) {
      Sampler::Drawn& drawn = drawn_[next + static_cast<size_t>(i)];
      if (drawn.token < 0) {
        out = {};
        out.failure = FinishReason::kBadLogits;
        spdlog::warn("request {}: logits are not finite after {} tokens", slot.request->id,
                     known + static_cast<size_t>(i));
        break;
      }
      out.tokens[out.count++] = drawn.token;
      if (wanted_logprobs(slot.request->sampling) >= 0) {
        out.logprobs.push_back(std::move(drawn.logprobs));
      }
      const size_t guess = known + static_cast<size_t>(i);
      if (i < row.draft_len && slot.tokens[guess] != drawn.token) break;
    }
    next += static_cast<size_t>(row.draft_len) + 1;
    slot.tokens.resize(known);
    slot.tokens.insert(slot.tokens.end(), out.tokens.begin(), out.tokens.begin() + out.count);
  }
}

}  // namespace ingot
