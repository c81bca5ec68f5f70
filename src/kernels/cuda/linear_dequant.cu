// unit: large
#include "kernels/cuda/arch/gemv.cuh"

namespace ingot::cuda {
namespace kernel_linear_dequant {

constexpr int kTile = 64;  // rows and columns of a block's tile
constexpr int kStep = 32;  // K at a time
constexpr int kThreads = 256;
constexpr int kPitch = kTile + 4;

// Tiles of x and of the decoded weight, k first, in float32.
struct Tiles {
  float x[kStep][kPitch];
  float w[kStep][kPitch];
};

// Four threads a row, eight elements each.
__device__ void load_x(const GemvArgs& a, int64_t m0, int64_t k0, Tiles& tiles) {
  const int row = threadIdx.x / 4;
  const int column = threadIdx.x % 4 * 8;
  const int64_t m = m0 + row;
  const int64_t left = m < a.m ? a.k - k0 - column : 0;
  float v[8];
  load8_any(a.x, (m < a.m ? m : 0) * a.x_stride + k0 + column, left, a.x_vector, v);
#pragma unroll
  for (int i = 0; i < 8; ++i) tiles.x[column + i][row] = v[i];
}

template <class Decoder>
__device__ void load_w(const GemvArgs& a, int64_t n0, int64_t k0, Tiles& tiles) {
  if (threadIdx.x >= kTile) return;
  const int64_t n = n0 + threadIdx.x;
  float v[32] = {};
  if (n < a.n) Decoder::part(piece_row(a.weight, n), k0 / kStep, a.k, v);
#pragma unroll
  for (int i = 0; i < kStep; ++i) tiles.w[i][threadIdx.x] = v[i];
}

// Four by four outputs a thread; k goes up one by one in a single chain, so a row's result depends
// on that row alone.
template <class Decoder>
__global__ void __launch_bounds__(kThreads) tile_gemm(GemvArgs a) {
  __shared__ Tiles tiles;
  const int64_t n0 = static_cast<int64_t>(blockIdx.x) * kTile;
  const int64_t m0 = static_cast<int64_t>(blockIdx.y) * kTile;
  const int row = threadIdx.x / 16 * 4;
  const int column = threadIdx.x % 16 * 4;
  float acc[4][4] = {};
  for (int64_t k0 = 0; k0 < a.k; k0 += kStep) {
    load_x(a, m0, k0, tiles);
    load_w<Decoder>(a, n0, k0, tiles);
    __syncthreads();
#pragma unroll 8
    for (int k = 0; k < kStep; ++k) {
      const float4 x = *reinterpret_cast<const float4*>(&tiles.x[k][row]);
      const float4 w = *reinterpret_cast<const float4*>(&tiles.w[k][column]);
      const float xs[4] = {x.x, x.y, x.z, x.w};
      const float ws[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) acc[i][j] = fmaf(xs[i], ws[j], acc[i][j]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int64_t m = m0 + row + i;
      const int64_t n = n0 + column + j;
      if (m >= a.m || n >= a.n) continue;
      const float bias = a.bias.data ? load_any(a.bias, n) : 0.0f;
      store_any(a.y, a.y_type, m * a.y_stride + n, acc[i][j] + bias);
    }
  }
}

void launch(const LaunchArgs& args, ExecContext& context) {
  const GemvArgs a = gemv_args(args, 1);
  const Grid grid = {ceil_div(a.n, kTile), ceil_div(a.m, kTile), kThreads};
  with_decoder(args.inputs[1].type, [&](auto decoder) {
    launch_grid("linear_dequant", context, tile_gemm<decltype(decoder)>, grid, a);
  });
}

std::string supports(const KernelDesc& desc) {
  const ElementType& w = desc.inputs[1].type;
  if (!is_decodable(w)) return "weight is " + w.name();
  if (rows_of(desc.inputs[0].shape) > int64_t{65535} * kTile) return "too many rows";
  return linear_supports(desc);
}

}  // namespace kernel_linear_dequant

// Any number of rows, weights of any type, float32 arithmetic: the last resort.
const KernelDef& linear_dequant_kernel() {
  using namespace kernel_linear_dequant;
  static const KernelDef kernel = {.name = "linear_dequant",
                                   .op = "linear",
                                   .device = "cuda",
                                   .version = 2,
                                   .invariant = true,
                                   .priority = 5,
                                   .supports = supports,
                                   .prepare = plain_instance<launch>};
  return kernel;
}

}  // namespace ingot::cuda
