#include "ops/contract/llm_args.h"

namespace ingot {
namespace op_unfold_rows {

struct UnfoldRowsAttrs {
  int64_t kernel = 1;  // rows of a window, odd
  int64_t stride = 1;  // rows from a window to the next
  template <typename V>
  void fields(V& v) {
    v("kernel", kernel);
    v("stride", stride);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  constexpr int64_t kMost = 1024;
  const auto attrs = read_attrs<UnfoldRowsAttrs>(args.attrs, "ops/unfold_rows");
  const ValueType& x = token_matrix(args, 0);
  if (attrs.kernel < 1 || attrs.kernel > kMost || attrs.kernel % 2 == 0) {
    args.bad(fmt::format("kernel: expected an odd number up to {}, found {}", kMost, attrs.kernel));
  }
  if (attrs.stride < 1 || attrs.stride > kMost) {
    args.bad(fmt::format("stride: expected 1 to {}, found {}", kMost, attrs.stride));
  }
  return {
      {x.element, {Dim::ceil_div(x.shape[0], Dim(attrs.stride)), x.shape[1] * Dim(attrs.kernel)}}};
}

void reference(const OpArgs& args) {
  const auto attrs = read_attrs<UnfoldRowsAttrs>(args.attrs, "ops/unfold_rows");
  const TensorView &x = args.inputs[0], &y = args.outputs[0];
  const int64_t rows = x.shape[0], columns = x.columns();
  std::vector<float> from(static_cast<size_t>(columns)), to(static_cast<size_t>(y.columns()));
  for (int64_t r = 0; r < y.shape[0]; ++r) {
    std::fill(to.begin(), to.end(), 0.0f);
    for (int64_t tap = 0; tap < attrs.kernel; ++tap) {
      const int64_t row = r * attrs.stride + tap - attrs.kernel / 2;
      if (row < 0 || row >= rows) continue;
      load_row(x, row, 0, columns, from.data());
      for (int64_t c = 0; c < columns; ++c) {
        to[static_cast<size_t>(c * attrs.kernel + tap)] = from[static_cast<size_t>(c)];
      }
    }
    store_row(y, r, 0, y.columns(), to.data());
  }
}

}  // namespace op_unfold_rows

// The windows of a one-dimensional convolution over rows, so that a linear layer computes it:
// x[rows, columns] becomes [ceil(rows / stride), columns * kernel], whose row r holds the rows
// r * stride - kernel / 2 and the kernel - 1 that follow, zeros where there is none. Taps are
// innermost, as convolution weights [out, columns, kernel] have them.
const OpDef& unfold_rows_op() {
  using namespace op_unfold_rows;
  static const OpDef op = {
      .name = "unfold_rows", .infer = infer, .reference = reference, .row_strided = true};
  return op;
}

}  // namespace ingot
