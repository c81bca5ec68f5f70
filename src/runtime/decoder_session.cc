#include "runtime/decoder_session.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "runtime/decoder_session";

}  // namespace

DecoderSession::DecoderSession(std::shared_ptr<const Engine> engine, Device& device,
                               int64_t max_tokens, int64_t chunk, ExecutorOptions options)
    : max_tokens_(max_tokens),
      chunk_(chunk),
      decoder_(read_decoder_plan(engine->plan, EncoderUse::kFed)),
      inputs_(decoder_),
      pages_(static_cast<size_t>((max_tokens + decoder_.page_tokens - 1) / decoder_.page_tokens)) {
  std::iota(pages_.begin(), pages_.end(), 0);
  DecoderSizes sizes;
  sizes.tokens = sizes.logit_rows = chunk;
  sizes.rows = 1;
  sizes.seq_len = max_tokens;
  sizes.pages.assign(decoder_.tables.size(), static_cast<int64_t>(pages_.size()));
  if (decoder_.encoder) {
    sizes.frames = decoder_.encoder->max_frames;
    sizes.cross_pages = (sizes.frames + decoder_.page_tokens - 1) / decoder_.page_tokens;
    cross_pages_.resize(static_cast<size_t>(sizes.cross_pages));
    std::iota(cross_pages_.begin(), cross_pages_.end(), 0);
  }
  set_decoder_limits(decoder_, sizes, options.limits);
  executor_ = std::make_unique<Executor>(std::move(engine), device, std::move(options));
}

std::vector<float> DecoderSession::encode(std::span<const float> features) {
  if (!decoder_.encoder) {
    fail(ErrorCode::kInvalidArgument, kWhere, "plan '{}' has no encoder", decoder_.name);
  }
  const EncoderHalf& encoder = *decoder_.encoder;
  const auto of_frame = static_cast<size_t>(encoder.feature_rows * encoder.feature_columns);
  const auto frames = static_cast<int64_t>(features.size() / of_frame);
  if (features.size() % of_frame != 0 || frames < 1 || frames > encoder.max_frames) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "plan '{}': expected 1 to {} frames of {} features, found {} features", decoder_.name,
         encoder.max_frames, of_frame, features.size());
  }
  position_ = 0;
  frames_ = frames;
  inputs_.begin(static_cast<int64_t>(pages_.size()));
  add_sequence({}, features);
  inputs_.set(*executor_);
  executor_->run();
  std::vector<float> out;
  append_rows("encoder_hidden", encoder.columns, out);
  return out;
}

void DecoderSession::add_sequence(std::span<const int32_t> tokens,
                                  std::span<const float> features) {
  inputs_.add_row(tokens, position_, rotation_);
  for (size_t t = 0; t < decoder_.tables.size(); ++t) inputs_.add_pages(t, pages_);
  if (decoder_.encoder) inputs_.add_frames(features, frames_, cross_pages_);
}

void DecoderSession::append_rows(std::string_view output, int64_t columns,
                                 std::vector<float>& out) {
  const TensorView result = executor_->fetch(executor_->output(output), host_result_);
  const auto count = static_cast<size_t>(columns);
  for (int64_t r = 0; r < result.shape[0]; ++r) {
    out.resize(out.size() + count);
    load_row(result, r, 0, columns, out.data() + out.size() - count);
  }
}

std::vector<float> DecoderSession::forward(std::span<const int32_t> tokens, bool all_logits) {
  for (int32_t id : tokens) {
    if (id < 0 || id >= vocab_size()) {
      fail(ErrorCode::kInvalidArgument, kWhere, "token id {}: expected 0 to {}", id,
           vocab_size() - 1);
    }
  }
  if (position_ + static_cast<int64_t>(tokens.size()) > max_tokens_) {
    fail(ErrorCode::kInvalidArgument, kWhere, "{} tokens after {}: the session holds {}",
         tokens.size(), position_, max_tokens_);
  }
  if (position_ == 0 || decoder_.rotations.by == Rotations::By::kToken) {
    const auto prompt = position_ + static_cast<int64_t>(tokens.size());
    rotation_ = decoder_.rotations.set_of(prompt, std::max(prompt, longest_));
  }
  if (decoder_.encoder && frames_ == 0) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "plan '{}': expected encode() before tokens, which attend to it", decoder_.name);
  }
  if (decoder_.encodes && (position_ > 0 || static_cast<int64_t>(tokens.size()) > chunk_)) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "plan '{}' is an encoder: expected a whole sequence of at most {} tokens, found {} after "
         "{}",
         decoder_.name, chunk_, tokens.size(), position_);
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
  const auto count = static_cast<int32_t>(tokens.size());
  inputs_.begin(static_cast<int64_t>(pages_.size()));
  add_sequence(tokens, {});
  for (int32_t t = all_logits ? 0 : count - 1; t < count; ++t) inputs_.want_logits(t);
  inputs_.set(*executor_);
  executor_->run();
  position_ += count;
  append_rows(decoder_.encodes ? "hidden" : "logits", decoder_.columns, out);
}

void DecoderSession::truncate(int64_t length) {
  CHECK(length >= 0 && length <= position_);
  position_ = length;
}

}  // namespace ingot
