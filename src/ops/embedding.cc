#include "ops/contract/llm_args.h"
#include "ops/contract/op_cost.h"

namespace ingot {
namespace op_embedding {

struct EmbeddingAttrs {
  std::string dtype;  // element type of the output; "" = the table's
  template <typename V>
  void fields(V& v) {
    v("dtype", dtype);
  }
};

}  // namespace op_embedding

// Rows of a table: (ids[tokens] int32, table[vocab, columns] of any format) -> [tokens, columns].
const OpDef& embedding_op() {
  using namespace op_embedding;
  static const OpDef op = {
      .name = "embedding",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> {
        const auto attrs = read_attrs<EmbeddingAttrs>(args.attrs, "ops/embedding");
        const ValueType& ids = index_vector(args, 0);
        const ValueType& table = args.input(1);
        if (table.shape.size() != 2) args.bad("the table is not a matrix");
        return {{named_type(attrs.dtype, table.element), {ids.shape[0], table.shape[1]}}};
      },
      .reference =
          [](const OpArgs& args) {
            const TensorView& table = args.inputs[1];
            const TensorView& out = args.outputs[0];
            std::vector<float> row(static_cast<size_t>(table.columns()));
            for (int64_t t = 0; t < out.shape[0]; ++t) {
              const int64_t id = load_index(args.inputs[0], t);
              if (id < 0 || id >= table.shape[0]) {
                fail(ErrorCode::kInvalidArgument, "ops/embedding",
                     "expected token id 0 to {}, found {}", table.shape[0] - 1, id);
              }
              load_row(table, id, 0, table.columns(), row.data());
              store_row(out, t, 0, table.columns(), row.data());
            }
          },
      .weight_pieces = true,
      .representative = [](const RepresentativeArgs& args) -> IndexInputs {
        return {{0, spread_indices(args.inputs[0][0], args.inputs[1][0])}};
      },
      .cost = [](const CostArgs& args) { return picking_cost(args, 1); }};
  return op;
}

}  // namespace ingot
