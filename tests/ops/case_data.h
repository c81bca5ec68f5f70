// What the operators' cases are made of: operands and the memory behind them.
#pragma once

#include <deque>
#include <vector>

#include "tests/ops/harness.h"

namespace ingot::test {

// Views and the memory behind them. Memory is exactly as large as the view and aligned to its
// elements, so that an overrun shows under ASan.
class Memory {
 public:
  // `strided`: with a gap between the rows, of a pattern that gaps_untouched() looks for.
  TensorView add(const ElementType& type, const Shape& shape, bool strided = false);

 private:
  std::deque<std::vector<std::byte>> blocks_;
};

// The rows of one view into another of the same columns; either may be strided.
void copy_view(const TensorView& from, const TensorView& to);
// Whether nothing wrote between the rows of a view that Memory made.
bool gaps_untouched(const TensorView& view);
// offsets[b] = how many tokens belong to batch rows before b.
void fill_query_offsets(const TensorView& token_rows, const TensorView& offsets);
// Fills view `index` as its case says; kQueryOffsets reads another of `views`, filled before.
void fill_input(const CaseInput& input, const std::vector<TensorView>& views, size_t index);

}  // namespace ingot::test
