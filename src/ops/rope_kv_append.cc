#include "ops/contract/llm_args.h"

namespace ingot {

// (q, k, v, k_cache, v_cache, positions, token_rows, block_tables, inv_freq), attributes of rope
// -> (rotated q, k_cache, v_cache): rotates q and k and writes k and v into their pages.
const OpDef& rope_kv_append_op() {
  static const OpDef op = {
      .name = "rope_kv_append",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> {
        const ValueType& q = token_matrix(args, 0);
        const int64_t head_dim = attr_or<int64_t>(args.attrs, "head_dim", 0);
        const ValueType& k = token_matrix(args, 1);
        const ValueType& v = token_matrix(args, 2);
        if (k.shape != v.shape || !(k.shape[0] == q.shape[0])) {
          args.bad(fmt::format("{}, {} and {} do not belong together", type_text(q), type_text(k),
                               type_text(v)));
        }
        token_vector(args, 5, 0);
        token_vector(args, 6, 0);
        block_table(args, 7);
        for (size_t i : {0, 1}) {  // what is rotated must suit rope
          const ValueType* types[] = {&args.input(i), &args.input(5), &args.input(8)};
          get_op("rope").infer({args.op, types, args.attrs, args.constant});
        }
        return {q, kv_state(args, 3, head_dim), kv_state(args, 4, head_dim)};
      },
      .effects = {.aliases = {{1, 3}, {2, 4}}, .rows = 0},
      .decompose =
          [](OpEmitter& emitter, const Attrs& attrs, std::span<const int> in) {
            const int q = emitter.emit("rope", attrs, {in[0], in[5], in[8]});
            const int k = emitter.emit("rope", attrs, {in[1], in[5], in[8]});
            const std::vector<int> caches = emitter.emit_many(
                "kv_append", {}, {k, in[2], in[3], in[4], in[5], in[6], in[7]}, 2);
            return std::vector<int>{q, caches[0], caches[1]};
          },
      .row_strided = true,
      .representative = [](const RepresentativeArgs& args) -> IndexInputs {
        PackedTokens packed =
            representative_tokens(args.inputs[0][0], args.inputs[7], args.inputs[3]);
        return {{5, std::move(packed.positions)},
                {6, std::move(packed.token_rows)},
                {7, std::move(packed.block_tables)}};
      }};
  return op;
}

}  // namespace ingot
