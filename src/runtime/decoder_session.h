// A decoder engine driven one sequence at a time, without scheduler or sampler: conformance runs,
// comparisons, tests of models.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/executor.h"
#include "runtime/decoder_step.h"

namespace ingot {

// Pages are handed out in order, so one session holds one sequence. One thread at a time.
class DecoderSession {
 public:
  // Limits are sized for sequences of up to `max_tokens` and steps of up to `chunk` tokens.
  // Errors as read_decoder_plan(); `device` outlives the session.
  DecoderSession(std::shared_ptr<const Engine> engine, Device& device, int64_t max_tokens,
                 int64_t chunk, ExecutorOptions options = {});

  // Appends tokens to the sequence; where rotations go by token (runtime/rotations.h), all of one
  // call have that of the last, as in a forward pass of Hugging Face's classes. Returns logits
  // [tokens.size(), vocab] in float32, or those of the last token alone; an encoder's hidden states
  // likewise. Error{kInvalidArgument} past max_tokens, on an id outside the vocabulary, and where
  // an encoder's sequence does not come at once, in one chunk.
  std::vector<float> forward(std::span<const int32_t> tokens, bool all_logits);
  // Of a plan with an encoder, before tokens: what they attend to, float32 features row by row, of
  // whole frames. Returns the encoder's hidden states, [frames, columns]. Begins a new sequence.
  // Error{kInvalidArgument} for another number of features than 1 to max_frames frames have.
  std::vector<float> encode(std::span<const float> features);
  // Begins a new sequence, which grows to at most `longest` positions (0: to those of the first
  // forward()): what decides by the length goes by that (runtime/rotations.h).
  void reset(int64_t longest = 0) {
    position_ = 0;
    longest_ = longest;
  }
  // Forgets everything from position `length` on.
  void truncate(int64_t length);

  int64_t position() const { return position_; }
  int64_t vocab_size() const { return decoder_.vocab_size; }
  const DecoderPlan& plan() const { return decoder_; }
  Executor& executor() { return *executor_; }

 private:
  void add_sequence(std::span<const int32_t> tokens, std::span<const float> features);
  void append_rows(std::string_view output, int64_t columns, std::vector<float>& out);
  void step(std::span<const int32_t> tokens, bool all_logits, std::vector<float>& out);

  int64_t max_tokens_;
  int64_t chunk_;
  int64_t position_ = 0;
  int64_t longest_ = 0;
  int32_t rotation_ = 0;
  int64_t frames_ = 0;  // encoded
  DecoderPlan decoder_;
  DecoderStep inputs_;
  std::vector<PageId> pages_;  // 0, 1, ...: of every block table
  std::vector<PageId> cross_pages_;
  std::unique_ptr<Executor> executor_;
  std::vector<std::byte> host_result_;
};

}  // namespace ingot
