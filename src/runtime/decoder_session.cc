#include "runtime/decoder_session.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "runtime/decoder_session";
constexpr int64_t kPage = 32;  // tokens of a KV page (DESIGN section 6)

TensorView view_of(std::vector<int32_t>& values, Shape shape) {
  return {DType::kInt32, std::move(shape), reinterpret_cast<std::byte*>(values.data())};
}

}  // namespace

DecoderSession::DecoderSession(std::shared_ptr<const Engine> engine, Device& device,
                               int64_t max_tokens, int64_t chunk, ExecutorOptions options)
    : max_tokens_(max_tokens), chunk_(chunk), blocks_((max_tokens + kPage - 1) / kPage) {
  options.limits["tokens"] = chunk;
  options.limits["batch"] = 1;
  options.limits["logit_rows"] = chunk;
  options.limits["max_blocks"] = blocks_;
  options.limits["kv_pages"] = blocks_;
  if (engine->plan.find("token_ids") == kNoValue || engine->plan.find("logits") == kNoValue) {
    fail(ErrorCode::kInvalidArgument, kWhere, "plan '{}' is not a decoder", engine->plan.name);
  }
  vocab_ = engine->plan.values[static_cast<size_t>(engine->plan.find("logits"))]
               .type.shape.back()
               .constant();
  executor_ = std::make_unique<Executor>(std::move(engine), device, std::move(options));
}

std::vector<float> DecoderSession::forward(std::span<const int32_t> tokens, bool all_logits) {
  for (int32_t id : tokens) {
    if (id < 0 || id >= vocab_) {
      fail(ErrorCode::kInvalidArgument, kWhere, "token id {}: expected 0 to {}", id, vocab_ - 1);
    }
  }
  if (position_ + static_cast<int64_t>(tokens.size()) > max_tokens_) {
    fail(ErrorCode::kInvalidArgument, kWhere, "{} tokens after {}: the session holds {}",
         tokens.size(), position_, max_tokens_);
  }
  std::vector<float> out;
  while (!tokens.empty()) {
    const auto count = std::min<size_t>(tokens.size(), static_cast<size_t>(chunk_));
    const bool last = count == tokens.size();
    if (!all_logits) out.clear();
    step(tokens.first(count), all_logits || !last, out);
    tokens = tokens.subspan(count);
  }
  return out;
}

void DecoderSession::step(std::span<const int32_t> tokens, bool all_logits,
                          std::vector<float>& out) {
  const auto count = static_cast<int64_t>(tokens.size());
  std::vector<int32_t> ids(tokens.begin(), tokens.end());
  std::vector<int32_t> positions(tokens.size());
  std::iota(positions.begin(), positions.end(), static_cast<int32_t>(position_));
  std::vector<int32_t> rows(tokens.size(), 0);
  std::vector<int32_t> offsets = {0, static_cast<int32_t>(count)};
  std::vector<int32_t> lengths = {static_cast<int32_t>(position_ + count)};
  std::vector<int32_t> table(static_cast<size_t>(blocks_));
  std::iota(table.begin(), table.end(), 0);
  std::vector<int32_t> wanted(all_logits ? tokens.size() : 1);
  std::iota(wanted.begin(), wanted.end(), all_logits ? 0 : static_cast<int32_t>(count - 1));
  executor_->set_input("token_ids", view_of(ids, {count}));
  executor_->set_input("positions", view_of(positions, {count}));
  executor_->set_input("token_rows", view_of(rows, {count}));
  executor_->set_input("context_lengths", view_of(lengths, {1}));
  executor_->set_input("query_offsets", view_of(offsets, {2}));
  executor_->set_input("block_tables", view_of(table, {1, blocks_}));
  executor_->set_input("logit_rows", view_of(wanted, {static_cast<int64_t>(wanted.size())}));
  executor_->run();
  position_ += count;
  const TensorView logits = executor_->fetch(executor_->output("logits"), host_logits_);
  for (int64_t r = 0; r < logits.shape[0]; ++r) {
    out.resize(out.size() + static_cast<size_t>(vocab_));
    load_row(logits, r, 0, vocab_, out.data() + out.size() - static_cast<size_t>(vocab_));
  }
}

void DecoderSession::truncate(int64_t length) {
  CHECK(length >= 0 && length <= position_);
  position_ = length;
}

}  // namespace ingot
