// Checks shared by the operators that work on packed tokens [tokens, columns].
#pragma once

#include "ops/contract/op_def.h"

namespace ingot {

// A float matrix or Error{kInvalidArgument}.
const ValueType& token_matrix(const InferArgs& args, size_t index);
// int32 vector or Error{kInvalidArgument}.
const ValueType& index_vector(const InferArgs& args, size_t index);
// int32 vector with an element for each row of token matrix `matrix`, or Error{kInvalidArgument}.
const ValueType& token_vector(const InferArgs& args, size_t index, size_t matrix);
// int32 matrix [batch, max_blocks] of page numbers, or Error{kInvalidArgument}.
const ValueType& block_table(const InferArgs& args, size_t index);
// A KV cache state [pages, kv_heads, page tokens, head_dim].
const ValueType& kv_state(const InferArgs& args, size_t index, int64_t head_dim);

// The element type an attribute names, or `fallback` when the name is empty.
ElementType named_type(const std::string& name, ElementType fallback);

// Memory row of token `position` of the sequence in batch row `row` for one KV head of a paged
// cache: data of head_dim elements. Layout [page][kv head][token in page][dim].
// Error{kInvalidArgument} when row, position or the page that the table names lies outside.
TensorView kv_row(const TensorView& cache, const TensorView& block_tables, int64_t row,
                  int64_t position, int64_t head);

}  // namespace ingot
