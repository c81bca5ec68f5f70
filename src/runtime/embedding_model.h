// What makes vectors of token sequences, step by step: an engine, or a test's model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ingot {

struct EmbeddingLimits {
  int64_t vocab_size = 0;
  int64_t columns = 0;      // numbers of a vector
  int64_t max_tokens = 0;   // of one sequence; at most step_tokens
  int64_t step_tokens = 0;  // of one step
  int64_t rows = 0;         // sequences of one step
};

// One thread at a time.
class EmbeddingModel {
 public:
  virtual ~EmbeddingModel() = default;
  virtual const EmbeddingLimits& limits() const = 0;
  // One step: a vector for each sequence, 1 to max_tokens ids below vocab_size. They are within the
  // limits together (CHECK), and none sees the others.
  virtual std::vector<std::vector<float>> embed(
      std::span<const std::span<const int32_t>> sequences) = 0;
};

}  // namespace ingot
