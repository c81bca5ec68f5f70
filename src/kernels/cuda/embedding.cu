#include "kernels/cuda/arch/block_decode.cuh"

namespace ingot::cuda {
namespace kernel_embedding {

constexpr int kThreads = 128;

// One block a token; a thread decodes parts of 32 columns. An id outside the table gives NaN: ids
// are checked before they reach the device, so this only keeps a fault from reading wild memory.
template <class Decoder, class T>
__global__ void __launch_bounds__(kThreads)
    embed(const int* ids, Pieces table, T* out, int64_t out_stride, int64_t columns, bool vector) {
  wait_for_earlier();
  let_next_start();
  const int64_t id = ids[blockIdx.x];
  const bool known = id >= 0 && id < table.first[table.count];
  const std::byte* row = piece_row(table, known ? id : 0);
  T* to = out + blockIdx.x * out_stride;
  for (int64_t p = threadIdx.x; p * 32 < columns; p += kThreads) {
    float v[32];
    Decoder::part(row, p, columns, v);
#pragma unroll
    for (int c = 0; c < 32; c += 8) {
      float chunk[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) chunk[i] = known ? v[c + i] : __int_as_float(0x7fffffff);
      const int64_t at = 32 * p + c;
      if (at < columns) store8(to + at, columns - at, vector, chunk);
    }
  }
}

void launch(const LaunchArgs& args, ExecContext& context) {
  const TensorView& ids = args.inputs[0];
  const TensorView& out = args.outputs[0];
  const Pieces table = pieces_of(args, 1);
  with_decoder(args.inputs[1].type, [&](auto decoder) {
    with_float(out.type, [&](auto tag) {
      using T = decltype(tag);
      launch_early("embedding", context, embed<decltype(decoder), T>, {out.rows(), 1, kThreads}, 0,
                   ids.as<int>(), table, out.as<T>(), row_elements(out), out.columns(),
                   is_vector_aligned(out));
    });
  });
}

std::string supports(const KernelDesc& desc) {
  if (desc.inputs[0].type != DType::kInt32) return "ids are " + desc.inputs[0].type.name();
  if (!is_decodable(desc.inputs[1].type)) return "table is " + desc.inputs[1].type.name();
  if (!is_activation(desc.outputs[0].type)) return "output is " + desc.outputs[0].type.name();
  return too_many_pieces(desc.inputs[1]);
}

}  // namespace kernel_embedding

// Tables of any activation type or block format.
const KernelDef& embedding_kernel() {
  using namespace kernel_embedding;
  static const KernelDef kernel = {.name = "embedding",
                                   .op = "embedding",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 20,
                                   .supports = supports,
                                   .prepare = plain_instance<launch>};
  return kernel;
}

}  // namespace ingot::cuda
