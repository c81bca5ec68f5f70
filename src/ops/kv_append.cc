#include "ops/contract/llm_args.h"

namespace ingot {
namespace op_kv_append {

// Inputs: k[tokens, kv_heads * head_dim], v, k_cache, v_cache, positions[tokens],
// token_rows[tokens], block_tables[batch, max_blocks].
std::vector<ValueType> infer(const InferArgs& args) {
  const ValueType& k = token_matrix(args, 0);
  const ValueType& v = token_matrix(args, 1);
  for (size_t i : {2, 3}) {
    const ValueType& cache = args.input(i);
    const ValueType& source = i == 2 ? k : v;
    if (!cache.state || cache.shape.size() != 4 ||
        !(cache.shape[1] * cache.shape[3] == source.shape[1])) {
      args.bad(fmt::format("cache {} does not fit {}", type_text(cache), type_text(source)));
    }
  }
  if (!(k.shape[0] == v.shape[0])) {
    args.bad(fmt::format("keys {} and values {} differ in tokens", type_text(k), type_text(v)));
  }
  token_vector(args, 4, 0);
  token_vector(args, 5, 0);
  block_table(args, 6);
  return {args.input(2), args.input(3)};
}

void reference(const OpArgs& args) {
  std::vector<float> row;
  for (size_t which : {0, 1}) {
    const TensorView& source = args.inputs[which];
    const TensorView& cache = args.outputs[which];
    const int64_t dim = cache.shape[3];
    row.resize(static_cast<size_t>(dim));
    for (int64_t t = 0; t < source.shape[0]; ++t) {
      for (int64_t head = 0; head < cache.shape[1]; ++head) {
        const TensorView slot = kv_row(cache, args.inputs[6], load_index(args.inputs[5], t),
                                       load_index(args.inputs[4], t), head);
        load_row(source, t, head * dim, dim, row.data());
        store_row(slot, 0, 0, dim, row.data());
      }
    }
  }
}

}  // namespace op_kv_append

// Writes the keys and values of this step's tokens into their pages. The caches are updated in
// place.
const OpDef& kv_append_op() {
  using namespace op_kv_append;
  static const OpDef op = {.name = "kv_append",
                           .infer = infer,
                           .effects = {.aliases = {{0, 2}, {1, 3}}, .rows = 0},
                           .reference = reference,
                           .row_strided = true,
                           .representative = [](const RepresentativeArgs& args) -> IndexInputs {
                             PackedTokens packed = representative_tokens(
                                 args.inputs[0][0], args.inputs[6], args.inputs[2]);
                             return {{4, std::move(packed.positions)},
                                     {5, std::move(packed.token_rows)},
                                     {6, std::move(packed.block_tables)}};
                           }};
  return op;
}

}  // namespace ingot
