#include "ops/contract/llm_args.h"

#include <algorithm>

namespace ingot {

const ValueType& token_matrix(const InferArgs& args, size_t index) {
  const ValueType& type = args.input(index);
  if (type.shape.size() != 2 || !is_float(type.element.dtype)) {
    args.bad(fmt::format("input {}: expected a float matrix [tokens, columns], found {}", index,
                         type_text(type)));
  }
  return type;
}

const ValueType& index_vector(const InferArgs& args, size_t index) {
  const ValueType& type = args.input(index);
  if (type.shape.size() != 1 || type.element.dtype != DType::kInt32) {
    args.bad(fmt::format("input {}: expected an int32 vector, found {}", index, type_text(type)));
  }
  return type;
}

const ValueType& token_vector(const InferArgs& args, size_t index, size_t matrix) {
  const ValueType& type = index_vector(args, index);
  const ValueType& tokens = token_matrix(args, matrix);
  if (!(type.shape[0] == tokens.shape[0])) {
    args.bad(fmt::format("input {}: expected an element for each row of {}, found {}", index,
                         type_text(tokens), type_text(type)));
  }
  return type;
}

const ValueType& block_table(const InferArgs& args, size_t index) {
  const ValueType& type = args.input(index);
  if (type.shape.size() != 2 || type.element.dtype != DType::kInt32) {
    args.bad(fmt::format("input {}: expected an int32 matrix [batch, blocks], found {}", index,
                         type_text(type)));
  }
  return type;
}

const ValueType& kv_state(const InferArgs& args, size_t index, int64_t head_dim) {
  const ValueType& type = args.input(index);
  if (!type.state || type.shape.size() != 4 || !(type.shape[3] == Dim(head_dim))) {
    args.bad(fmt::format("input {}: expected a state [pages, kv heads, tokens, {}], found {}",
                         index, head_dim, type_text(type)));
  }
  for (size_t d : {1, 2, 3}) {
    if (type.shape[d].is_constant() && type.shape[d].constant() < 1) {
      args.bad(fmt::format("input {}: {} is empty", index, type_text(type)));
    }
  }
  return type;
}

ElementType named_type(const std::string& name, ElementType fallback) {
  return name.empty() ? fallback : parse_element_type(name);
}

TensorView kv_row(const TensorView& cache, const TensorView& block_tables, int64_t row,
                  int64_t position, int64_t head) {
  const int64_t heads = cache.shape[1];
  const int64_t page_tokens = cache.shape[2];
  const int64_t dim = cache.shape[3];
  constexpr std::string_view kWhere = "ops/kv_row";
  if (row < 0 || row >= block_tables.shape[0]) {
    fail(ErrorCode::kInvalidArgument, kWhere, "expected batch row 0 to {}, found {}",
         block_tables.shape[0] - 1, row);
  }
  const int64_t positions = block_tables.shape[1] * page_tokens;
  if (position < 0 || position >= positions) {
    fail(ErrorCode::kInvalidArgument, kWhere, "row {}: expected position 0 to {}, found {}", row,
         positions - 1, position);
  }
  const int64_t page =
      load_index(block_tables, row * block_tables.shape[1] + position / page_tokens);
  if (page < 0 || page >= cache.shape[0]) {
    fail(ErrorCode::kInvalidArgument, kWhere, "row {}: expected page 0 to {}, found {}", row,
         cache.shape[0] - 1, page);
  }
  const int64_t at = ((page * heads + head) * page_tokens + position % page_tokens) * dim;
  return {cache.type, {dim}, cache.data + cache.type.bytes(at)};
}

namespace {

constexpr int64_t kLongestChunk = 2048;  // of a prompt in one step
constexpr int64_t kTokensADecode = 64;   // of a step, to one row that decodes beside prompts

// Fresh tokens of each row: one each, and where there are more tokens than rows, chunks of prompts
// in the first rows and one token each in some others.
std::vector<int64_t> representative_lengths(int64_t tokens, int64_t batch, int64_t context) {
  std::vector<int64_t> out(static_cast<size_t>(batch), 0);
  const auto fill = [&](int64_t first, int64_t rows, int64_t count) {
    for (int64_t i = 0; i < rows; ++i) {
      out[static_cast<size_t>(first + i)] = count * (i + 1) / rows - count * i / rows;
    }
  };
  if (tokens <= batch) {
    fill(0, tokens, tokens);
    return out;
  }
  const int64_t longest = std::clamp<int64_t>(context, 1, kLongestChunk);
  const int64_t wanted = tokens - std::min(batch - 1, tokens / kTokensADecode);
  const int64_t prompts = std::min(batch, (wanted + longest - 1) / longest);
  const int64_t decodes = std::min(batch - prompts, tokens - wanted);
  fill(0, prompts, tokens - decodes);
  fill(prompts, decodes, decodes);
  return out;
}

}  // namespace

PackedTokens representative_tokens(int64_t tokens, const Shape& block_tables, const Shape& cache) {
  const int64_t batch = block_tables[0];
  const int64_t context = block_tables[1] * cache[2];
  PackedTokens out;
  out.query_offsets.push_back(0);
  for (int64_t length : representative_lengths(tokens, batch, context)) {
    for (int64_t back = length - 1; back >= 0; --back) {
      // More tokens than positions cannot be in one step; they stay inside.
      const int64_t inside = context > 0 ? back % context : 0;
      out.positions.push_back(std::max<int64_t>(0, context - 1 - inside));
      out.token_rows.push_back(static_cast<int64_t>(out.context_lengths.size()));
    }
    out.query_offsets.push_back(out.query_offsets.back() + length);
    out.context_lengths.push_back(context);
  }
  out.block_tables = spread_indices(batch * block_tables[1], cache[0]);
  return out;
}

}  // namespace ingot
