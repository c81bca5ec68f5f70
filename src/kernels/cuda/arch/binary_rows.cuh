// y = f(a, b) element by element on activations; b may be one row that serves every row, one
// element for each row, or one element.
#pragma once

#include "kernels/cuda/arch/numeric.cuh"
#include "kernels/reference.h"

namespace ingot::cuda {

struct BinaryArgs {
  const void* a;
  const void* b;
  void* y;
  int64_t a_stride, b_stride, y_stride;  // elements; b_stride 0: one row
  int64_t n;
  bool vector;
  bool scalar;  // b is one element, or one a row
};

constexpr int kBinaryThreads = 128;

template <class T, class F>
__global__ void __launch_bounds__(kBinaryThreads) binary_rows(BinaryArgs args) {
  wait_for_earlier();
  let_next_start();
  const int64_t at = 8 * (blockIdx.y * static_cast<int64_t>(kBinaryThreads) + threadIdx.x);
  const int64_t row = blockIdx.x;
  if (at >= args.n) return;
  float a[8], b[8];
  load8(static_cast<const T*>(args.a) + row * args.a_stride + at, args.n - at, args.vector, a);
  if (args.scalar) {
    const float one = to_float(static_cast<const T*>(args.b)[row * args.b_stride]);
#pragma unroll
    for (int i = 0; i < 8; ++i) b[i] = one;
  } else {
    load8(static_cast<const T*>(args.b) + row * args.b_stride + at, args.n - at, args.vector, b);
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) a[i] = F::apply(a[i], b[i]);
  store8(static_cast<T*>(args.y) + row * args.y_stride + at, args.n - at, args.vector, a);
}

// b is one element for each row.
inline bool is_column(const TensorView& b, const TensorView& y) {
  return b.columns() == 1 && b.rows() == y.rows();
}
// Whether the kernel may run these operands. binary_supports has seen the bucket's sizes; two
// symbols that meet there need not be equal in a run.
inline bool binary_fits(const LaunchArgs& args) {
  const TensorView& b = args.inputs[1];
  const TensorView& y = args.outputs[0];
  const bool one_row = b.elements() == 1 || (b.rows() == 1 && b.columns() == y.columns());
  return args.inputs[0].shape == y.shape && (one_row || is_column(b, y) || b.shape == y.shape);
}

template <class F>
void launch_binary(const LaunchArgs& args, ExecContext& context, std::string_view name) {
  const TensorView& a = args.inputs[0];
  const TensorView& b = args.inputs[1];
  const TensorView& y = args.outputs[0];
  const bool scalar = b.elements() == 1 || is_column(b, y);
  const bool vector = is_vector_aligned(a) && is_vector_aligned(y);
  const BinaryArgs job = {a.data,
                          b.data,
                          y.data,
                          row_elements(a),
                          b.rows() == 1 ? 0 : row_elements(b),
                          row_elements(y),
                          y.columns(),
                          vector && (scalar || is_vector_aligned(b)),
                          scalar};
  const Grid grid = {y.rows(), ceil_div(y.columns(), 8 * kBinaryThreads), kBinaryThreads};
  with_float(y.type, [&](auto tag) {
    launch_early(name, context, binary_rows<decltype(tag), F>, grid, 0, job);
  });
}

using BinaryLaunch = void (*)(const LaunchArgs&, ExecContext&, std::string_view name);

class BinaryInstance final : public KernelInstance {
 public:
  BinaryInstance(const KernelDesc& desc, BinaryLaunch launch, std::string_view name)
      : launch_(launch), name_(name), other_(reference_kernel().prepare(desc, "")) {}
  // The reference waits for the stream: within a capture, that is an error.
  void launch(const LaunchArgs& args, ExecContext& context) override {
    if (!binary_fits(args)) return other_->launch(args, context);
    launch_(args, context, name_);
  }

 private:
  BinaryLaunch launch_;
  std::string_view name_;
  std::unique_ptr<KernelInstance> other_;  // any broadcast
};

// Equal shapes, or a second operand of one row, one element a row, or one element.
inline std::string binary_supports(const KernelDesc& desc) {
  const OperandDesc& a = desc.inputs[0];
  const OperandDesc& b = desc.inputs[1];
  if (!is_activation(a.type) || !(a.type == b.type)) return "element types";
  if (!(a.shape == desc.outputs[0].shape) || a.shape.empty()) {
    return "the first operand is broadcast";
  }
  if (a.shape.back() > 65535 * int64_t{8} * kBinaryThreads) return "rows too long";
  const int64_t elements = element_count(b.shape);
  const bool one_row =
      !b.shape.empty() && b.shape.back() == a.shape.back() && elements == a.shape.back();
  const bool column = !b.shape.empty() && b.shape.back() == 1 &&
                      elements * a.shape.back() == element_count(a.shape) &&
                      b.shape.size() == a.shape.size();
  const bool fits = a.shape == b.shape || one_row || column || elements == 1;
  return fits ? "" : "broadcast of " + shape_text(b.shape);
}

}  // namespace ingot::cuda
