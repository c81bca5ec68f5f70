// What a GGUF converter did to a weight, undone. A model names one of these, or its own, in the
// WeightName that needs it.
#pragma once

#include <functional>

#include "loaders/weight_source.h"

namespace ingot {

// Without `apply` the tensor is taken as it is.
struct GgufTransform {
  // The tensor in Hugging Face's layout. Bytes that it makes go to `keep`, which owns them.
  // `stored` has the shape below; the result must have WeightName::shape (CHECK). Its name does not
  // matter.
  std::function<WeightInfo(const WeightInfo& stored, WeightTable& keep)> apply;
  // In the file, in Hugging Face's order; empty: that of WeightName.
  Shape shape;
};

// Query and key rows of models with interleaved rotation: row 2i + j of a head is Hugging Face's
// row j * dim / 2 + i. Whole rows move, so blocks stay encoded. 0 heads: nothing is done.
GgufTransform unpermute_heads(int64_t heads);
// f of each element, as float32: norms that are stored as 1 + w, decays as -exp(w).
GgufTransform map_elements(float (*f)(float));
// A matrix of `rows` x `columns` here, stored as `columns` x `rows`. Floats alone.
GgufTransform transpose_matrix(int64_t rows, int64_t columns);
// Rows [first, first + count) of a tensor of shape `whole`: projections or experts kept as one.
GgufTransform take_rows(int64_t first, int64_t count, Shape whole);

}  // namespace ingot
