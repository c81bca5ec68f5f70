#include "kernels/cuda/arch/numeric.cuh"

namespace ingot::cuda {
namespace kernel_gather_rows {

constexpr int kThreads = 128;

struct GatherArgs {
  const std::byte* x;
  std::byte* y;
  const void* indices;
  bool wide;  // int64 indices
  int64_t rows, x_stride, y_stride, bytes;
};

// One block a row, in words of type Word. An index outside the rows leaves the output unwritten:
// indices are made on the host from checked lengths, so this only keeps a fault from reading wild
// memory.
template <class Word>
__global__ void __launch_bounds__(kThreads) gather(GatherArgs a) {
  wait_for_earlier();
  let_next_start();
  const int64_t i = blockIdx.x;
  int64_t index = a.wide ? static_cast<const int64_t*>(a.indices)[i]
                         : static_cast<const int32_t*>(a.indices)[i];
  if (index < 0) index += a.rows;
  if (index < 0 || index >= a.rows) return;
  const auto* from = reinterpret_cast<const Word*>(a.x + index * a.x_stride);
  auto* to = reinterpret_cast<Word*>(a.y + i * a.y_stride);
  const int64_t words = a.bytes / static_cast<int64_t>(sizeof(Word));
  for (int64_t w = threadIdx.x; w < words; w += kThreads) to[w] = from[w];
}

void launch(const LaunchArgs& args, ExecContext& context) {
  const TensorView& x = args.inputs[0];
  const TensorView& indices = args.inputs[1];
  const TensorView& y = args.outputs[0];
  if (x.columns() == 0) return;
  const GatherArgs a = {x.data,     y.data,        indices.data,  indices.type == DType::kInt64,
                        x.shape[0], x.row_bytes(), y.row_bytes(), x.type.bytes(x.columns())};
  const bool words = is_vector_aligned(x) && is_vector_aligned(y) && a.bytes % 16 == 0;
  launch_early("gather_rows", context, words ? gather<uint4> : gather<uint8_t>,
               {indices.elements(), 1, kThreads}, 0, a);
}

std::string supports(const KernelDesc& desc) {
  const int64_t axis = attr_or<int64_t>(desc.attrs, "axis", 0);
  if (desc.inputs[0].shape.size() != 2 || (axis != 0 && axis != -2)) return "not rows";
  const ElementType& type = desc.inputs[1].type;
  if (type != DType::kInt32 && type != DType::kInt64) return "indices are " + type.name();
  return desc.inputs[1].shape.size() == 1 ? "" : "indices are not a vector";
}

}  // namespace kernel_gather_rows

// Rows of a matrix, packed or strided.
const KernelDef& gather_rows_kernel() {
  using namespace kernel_gather_rows;
  static const KernelDef kernel = {.name = "gather_rows",
                                   .op = "gather",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 10,
                                   .supports = supports,
                                   .prepare = plain_instance<launch>};
  return kernel;
}

}  // namespace ingot::cuda
