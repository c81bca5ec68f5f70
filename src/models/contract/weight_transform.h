// How a file keeps a weight where that is not the canonical layout (separate projections, [out,
// in]): what a GGUF converter did, or how a Hugging Face model class stores it. A model names one
// of these, or its own, in the WeightName that needs it.
#pragma once

#include <functional>
#include <string>

#include "loaders/weight_source.h"

namespace ingot {

// Without `apply` the tensor is taken as it is.
struct WeightTransform {
  // The tensor in the canonical layout. Bytes that it makes go to `keep`, which owns them.
  // `stored` has the shape below; the result must have WeightName::shape (CHECK). Its name does not
  // matter.
  std::function<WeightInfo(const WeightInfo& stored, WeightTable& keep)> apply = {};
  // In the file, in Hugging Face's order; empty: that of WeightName.
  Shape shape = {};
  // The tensor's name in the file; empty: WeightName's. Several weights may be parts of one.
  std::string stored = {};

  // The same of the tensor that the file calls `name`.
  WeightTransform of(std::string name) const;
};

// Rows of vectors are elements. Whole rows move, so block formats stay encoded; vectors in blocks
// are refused, and so is what moves elements of a block: Error{kUnsupported} naming the tensor.

// Query and key rows of models with interleaved rotation: row 2i + j of a head is Hugging Face's
// row j * dim / 2 + i. 0 heads: nothing is done.
WeightTransform unpermute_heads(int64_t heads);
// f of each element, as float32: norms that are stored as 1 + w, decays as -exp(w).
WeightTransform map_elements(float (*f)(float));
// A matrix of `rows` x `columns` here, stored as `columns` x `rows`.
WeightTransform transpose_matrix(int64_t rows, int64_t columns);
// Columns [first, first + count) of a matrix of shape `whole`, as rows: a projection out of several
// that are kept as one matrix [in, out].
WeightTransform transpose_columns(int64_t first, int64_t count, Shape whole);
// Rows [first, first + count) of a tensor of shape `whole`, without a copy: projections or experts
// kept as one.
WeightTransform take_rows(int64_t first, int64_t count, Shape whole);
// The same of one matrix out of a stack of shape `whole`, [matrices, rows, columns]; the result is
// a matrix.
WeightTransform take_matrix_rows(int64_t matrix, int64_t first, int64_t count, Shape whole);
// A row of a matrix of shape `whole` as a vector, without a copy: norms of heads that are kept as
// one.
WeightTransform take_vector(int64_t row, Shape whole);
// Rows [first, first + count) out of every `group` rows of a tensor of shape `whole`, put together:
// projections that are interleaved by heads.
WeightTransform take_rows_of_groups(int64_t first, int64_t count, int64_t group, Shape whole);
// Rows divided by their lengths, in the file's type: heads of which only a row's direction counts.
// Blocks are refused.
WeightTransform unit_rows();
// `next` of what `first` gives: an expert out of a stack, transposed. Both state their shapes or
// keep them.
WeightTransform then(WeightTransform first, WeightTransform next);

}  // namespace ingot
