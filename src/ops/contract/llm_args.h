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

// Packed tokens as a full step brings them, for the rows of a block table of shape [batch,
// max_blocks]: one token a row; where there are more, chunks of prompts (at most 2048 tokens, or
// the context) in the first rows and a row that decodes for 64 tokens of the step. Each row's
// context fills its blocks and its tokens are the last ones of it. Pages are distinct while the
// cache (shape [pages, kv heads, page tokens, dim]) has enough.
struct PackedTokens {
  std::vector<int64_t> positions, token_rows;           // [tokens]
  std::vector<int64_t> query_offsets, context_lengths;  // [batch + 1], [batch]
  std::vector<int64_t> block_tables;                    // [batch, max_blocks]
};
PackedTokens representative_tokens(int64_t tokens, const Shape& block_tables, const Shape& cache);

}  // namespace ingot
