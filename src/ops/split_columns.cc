#include <cstring>

#include "ops/contract/op_def.h"

namespace ingot {
namespace op_split_columns {

struct SplitColumnsAttrs {
  std::vector<int64_t> widths;
  template <typename V>
  void fields(V& v) {
    v("widths", widths);
  }
};

}  // namespace op_split_columns

// Consecutive column ranges of x[.., N]; the executor hands out strided views instead of copying.
const OpDef& split_columns_op() {
  using namespace op_split_columns;
  static const OpDef op = {
      .name = "split_columns",
      .infer =
          [](const InferArgs& args) {
            const auto attrs = read_attrs<SplitColumnsAttrs>(args.attrs, "ops/split_columns");
            const ValueType& x = args.input(0);
            Dim total = 0;
            std::vector<ValueType> out;
            for (int64_t width : attrs.widths) {
              if (width <= 0 || x.shape.empty()) args.bad(fmt::format("width {}", width));
              total = total + Dim(width);
              out.push_back(x);
              out.back().shape.back() = width;
            }
            if (x.element.is_block() || !(total == x.shape.back())) {
              args.bad(fmt::format("widths add up to {} of {}", total.text(), type_text(x)));
            }
            return out;
          },
      .reference =
          [](const OpArgs& args) {
            const TensorView& x = args.inputs[0];
            int64_t offset = 0;
            for (const TensorView& out : args.outputs) {
              const int64_t bytes = out.type.bytes(out.columns());
              for (int64_t r = 0; r < out.rows(); ++r) {
                std::memcpy(out.row(r), x.row(r) + offset, static_cast<size_t>(bytes));
              }
              offset += bytes;
            }
          },
      .column_view = true};
  return op;
}

}  // namespace ingot
