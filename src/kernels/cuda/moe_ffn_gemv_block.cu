// unit: large
#include "kernels/cuda/arch/block_decode.cuh"
#include "kernels/cuda/arch/moe_gemv.cuh"

namespace ingot::cuda {
namespace kernel_moe_ffn_gemv_block {

// Rows of any type, weights of any type that decoders read: 32 elements a lane at a time.
template <class Decoder>
struct Decoded {
  static constexpr int kRows = 4;
  static constexpr int kFew = 1;

  template <int kRows, int kOut, bool kOwn>
  static __device__ void dot(const AnyFloats& x, const int64_t (&at)[kRows],
                             const std::byte* const (&w)[kOut], int depth,
                             float (&acc)[kRows][kOut]) {
    static_assert(!kOwn);
    for (int p = threadIdx.x % 32; 32 * p < depth; p += 32) {
      float weight[kOut][32];
#pragma unroll
      for (int r = 0; r < kOut; ++r) Decoder::part(w[r], p, depth, weight[r]);
#pragma unroll
      for (int m = 0; m < kRows; ++m) {
#pragma unroll
        for (int c = 0; c < 32; c += 8) {
          float v[8];
          load8_any(x, at[m] + 32 * p + c, depth - 32 * p - c, true, v);
#pragma unroll
          for (int r = 0; r < kOut; ++r) {
#pragma unroll
            for (int i = 0; i < 8; ++i) acc[m][r] = fmaf(v[i], weight[r][c + i], acc[m][r]);
          }
        }
      }
    }
  }
};

std::string supports(const KernelDesc& desc) {
  const ElementType& gate = desc.inputs[kMoeGate].type;
  const ElementType& down = desc.inputs[kMoeDown].type;
  for (const ElementType& type : {gate, down}) {
    if (!is_decodable(type)) return "weights are " + type.name();
  }
  const ElementType& x = desc.inputs[kMoeX].type;
  if (gate == x && down == x) return "weights are of the input's type";
  return moe_gemv_supports(desc, 4);
}

void launch(const LaunchArgs& args, const Attrs& attrs, ExecContext& context) {
  if (args.inputs[kMoeX].rows() == 0) return;
  const MoeArgs a = moe_args(args, attrs, context);
  launch_grouping("moe_ffn_gemv_block", a, context);
  with_decoder(args.inputs[kMoeGate].type, [&](auto decoder) {
    launch_gate<Decoded<decltype(decoder)>>("moe_ffn_gemv_block", a, context);
  });
  with_decoder(args.inputs[kMoeDown].type, [&](auto decoder) {
    launch_down<Decoded<decltype(decoder)>>("moe_ffn_gemv_block", a, context);
  });
  launch_combine("moe_ffn_gemv_block", a, context);
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view) {
  return make_workspace_instance(
      moe_workspace_bytes(desc),
      [attrs = desc.attrs](const LaunchArgs& args, ExecContext& context) {
        launch(args, attrs, context);
      });
}

}  // namespace kernel_moe_ffn_gemv_block

// Block formats, and weights of another type than the input, decoded in registers; any number of
// tokens.
const KernelDef& moe_ffn_gemv_block_kernel() {
  using namespace kernel_moe_ffn_gemv_block;
  static const KernelDef kernel = {.name = "moe_ffn_gemv_block",
                                   .op = "moe_ffn",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 20,
                                   .supports = supports,
                                   .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
