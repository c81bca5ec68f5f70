#include "ops/contract/llm_args.h"

#include "base/check.h"

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

const ValueType& kv_state(const InferArgs& args, size_t index, int64_t head_dim) {
  const ValueType& type = args.input(index);
  if (!type.state || type.shape.size() != 4 || !(type.shape[3] == Dim(head_dim))) {
    args.bad(fmt::format("input {}: expected a state [pages, kv heads, tokens, {}], found {}",
                         index, head_dim, type_text(type)));
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
  const int64_t page =
      load_index(block_tables, row * block_tables.shape[1] + position / page_tokens);
  CHECK_MSG(page >= 0 && page < cache.shape[0], "page {} of {}", page, cache.shape[0]);
  const int64_t at = ((page * heads + head) * page_tokens + position % page_tokens) * dim;
  return {cache.type, {dim}, cache.data + cache.type.bytes(at)};
}

}  // namespace ingot
