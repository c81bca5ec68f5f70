// What the linear kernels share: descriptor checks, the split of N into blocks, operand set-up.
#pragma once

#include <algorithm>
#include <string>

#include "kernels/kernel_def.h"

namespace ingot::cpu {

inline int64_t rows_of(const Shape& shape) {
  return shape.empty() || shape.back() == 0 ? 0 : element_count(shape) / shape.back();
}
inline int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

inline bool is_activation_type(const ElementType& type) {
  return type == DType::kFloat32 || type == DType::kBFloat16 || type == DType::kFloat16;
}

// Output rows [first, first + rows) of the weight, inside one segment.
struct WeightBlock {
  const TensorView* piece;
  int64_t piece_row;  // row inside the piece
  int64_t first;      // output column
  int64_t rows;
};

// Splits N into blocks of at most `grain` rows that do not cross segments.
class WeightBlocks {
 public:
  WeightBlocks(const LaunchArgs& args, size_t input, int64_t grain) : grain_(grain) {
    if (input < args.segments.size() && !args.segments[input].empty()) {
      pieces_ = args.segments[input];
    } else {
      pieces_ = args.inputs.subspan(input, 1);
    }
    for (const TensorView& piece : pieces_) count_ += (piece.shape[0] + grain - 1) / grain;
  }
  int64_t count() const { return count_; }
  WeightBlock operator[](int64_t index) const {
    int64_t first = 0;
    for (const TensorView& piece : pieces_) {
      const int64_t blocks = (piece.shape[0] + grain_ - 1) / grain_;
      if (index < blocks) {
        const int64_t row = index * grain_;
        return {&piece, row, first + row, std::min(grain_, piece.shape[0] - row)};
      }
      index -= blocks;
      first += piece.shape[0];
    }
    return {pieces_.data(), 0, 0, 0};
  }

 private:
  std::span<const TensorView> pieces_;
  int64_t grain_;
  int64_t count_ = 0;
};

// Rows of a block: as many as `budget` bytes hold, a multiple of `unit`, and small enough that
// every thread gets about four blocks. Results do not depend on it.
inline int64_t block_rows(int64_t n, int64_t row_bytes, int64_t budget, int64_t unit, int threads) {
  const int64_t fit = std::max<int64_t>(budget / std::max<int64_t>(row_bytes, 1), 1);
  const int64_t share = (n + 4 * threads - 1) / (4 * threads);
  return std::max(std::min(fit, round_up(share, unit)) / unit * unit, unit);
}

}  // namespace ingot::cpu
