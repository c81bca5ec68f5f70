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

TensorView ints(std::vector<int32_t>& values, Shape shape) {
  return {DType::kInt32, std::move(shape), reinterpret_cast<std::byte*>(values.data())};
}

TensorView ints(std::vector<int32_t>& values) {
  return ints(values, {static_cast<int64_t>(values.size())});
}

}  // namespace

EngineRunner::EngineRunner(std::shared_ptr<const Engine> engine, Device& device,
                           EngineRunnerOptions options) {
  read_limits(engine->plan, options);
  const Plan& plan = engine->plan;
  executor_ = std::make_unique<Executor>(engine, device, options.executor);
  if (!device.host_visible()) sampling_device_ = make_cpu_device(1);
  sampler_ = std::make_unique<Sampler>(sampling_device_ ? *sampling_device_ : device,
                                       limits_.vocab_size, limits_.max_seq_len + 1);
  slots_.resize(static_cast<size_t>(limits_.max_batch_rows));
  for (const KvGroup& group : limits_.state_groups) {
    auto& views = states_.emplace_back();
    for (int id : plan.states) {
      const PlanValue& value = plan.values[static_cast<size_t>(id)];
      if (value.group == group.name) views.push_back(executor_->state(value.name));
    }
  }
}

EngineRunner::~EngineRunner() = default;

void EngineRunner::read_limits(const Plan& plan, EngineRunnerOptions& options) {
  const int logits = plan.find("logits");
  if (logits == kNoValue) {
    fail(ErrorCode::kUnsupported, kWhere, "plan '{}' has no output 'logits': not a text model",
         plan.name);
  }
  const ValueType& type = plan.values[static_cast<size_t>(logits)].type;
  if (type.shape.size() != 2 || !type.shape[1].is_constant() ||
      !(type.element == ElementType(DType::kFloat32))) {
    fail(ErrorCode::kUnsupported, kWhere, "logits must be float32 [rows, vocab], found {}",
         type_text(type));
  }
  limits_.vocab_size = type.shape[1].constant();
  limits_.max_batch_rows = or_limit(options.max_batch_rows, plan, "batch");
  limits_.max_batch_tokens = or_limit(options.max_batch_tokens, plan, "tokens");
  const int64_t trained = or_limit(0, plan, "max_blocks") * kKvBlockTokens;
  limits_.max_seq_len = options.max_seq_len > 0 ? options.max_seq_len : trained;
  auto positions = plan.metadata.find("max_position_embeddings");
  if (positions != plan.metadata.end()) {
    limits_.max_seq_len = std::min<int64_t>(limits_.max_seq_len,
                                            std::strtoll(positions->second.c_str(), nullptr, 10));
  }
  if (limits_.max_seq_len <= 0) {
    fail(ErrorCode::kInvalidArgument, kWhere, "max_seq_len is {}", limits_.max_seq_len);
  }
  const int64_t blocks = (limits_.max_seq_len + kKvBlockTokens - 1) / kKvBlockTokens;
  const int64_t pages = options.kv_pages > 0 ? options.kv_pages : blocks;
  for (const PlanStateGroup& group : plan.groups) {
    if (group.kind != "paged") {
      fail(ErrorCode::kUnsupported, kWhere, "state group '{}' is {}; only paged ones run yet",
           group.name, group.kind);
    }
    limits_.state_groups.push_back({group.name, KvKind::kPaged, pages, 0});
  }
  if (limits_.state_groups.size() != 1) {
    fail(ErrorCode::kUnsupported, kWhere, "{} state groups; plans with one block table run",
         limits_.state_groups.size());
  }
  SymbolValues& symbols = options.executor.limits;
  symbols["tokens"] = limits_.max_batch_tokens;
  symbols["batch"] = limits_.max_batch_rows;
  symbols["max_blocks"] = blocks;
  symbols["kv_pages"] = pages;
  symbols["logit_rows"] =
      std::min(limits_.max_batch_tokens, limits_.max_batch_rows * (1 + options.max_draft));
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
  token_ids_ = batch.token_ids;
  positions_.clear();
  token_rows_.clear();
  query_offsets_.assign(1, 0);
  context_lengths_.clear();
  block_tables_.clear();
  const int64_t stride = batch.table_stride[0];
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    const BatchRow& row = batch.rows[r];
    if (row.query_len == 0) continue;  // samples from its parent's logits
    const auto index = static_cast<int32_t>(context_lengths_.size());
    for (int32_t i = 0; i < row.query_len; ++i) {
      TokenId& token = token_ids_[static_cast<size_t>(row.token_begin + i)];
      if (token == kLastSampled) token = slots_[static_cast<size_t>(row.slot)].tokens.back();
      positions_.push_back(static_cast<int32_t>(row.first_position + i));
      token_rows_.push_back(index);
    }
    query_offsets_.push_back(static_cast<int32_t>(positions_.size()));
    context_lengths_.push_back(static_cast<int32_t>(row.context_len()));
    for (PageId page : batch.table(0, r)) block_tables_.push_back(std::max(page, 0));
  }
  CHECK_EQ(positions_.size(), token_ids_.size());
  logit_rows_ = batch.logit_rows;
  // A chunk in the middle of a prompt wants no logits; kernels want at least one row.
  if (logit_rows_.empty()) logit_rows_.push_back(0);
  const auto rows = static_cast<int64_t>(context_lengths_.size());
  executor_->set_input("token_ids", ints(token_ids_));
  executor_->set_input("positions", ints(positions_));
  executor_->set_input("token_rows", ints(token_rows_));
  executor_->set_input("query_offsets", ints(query_offsets_));
  executor_->set_input("context_lengths", ints(context_lengths_));
  executor_->set_input("block_tables", ints(block_tables_, {rows, stride}));
  executor_->set_input("logit_rows", ints(logit_rows_));
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
