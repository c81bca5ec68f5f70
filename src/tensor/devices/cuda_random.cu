#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "tensor/devices/cuda_random.h"

namespace ingot {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kBlocks = 4096;  // some waves on any GPU; threads stride over the rest

__device__ void store(float* out, float value) { *out = value; }
__device__ void store(__nv_bfloat16* out, float value) { *out = __float2bfloat16_rn(value); }
__device__ void store(__half* out, float value) { *out = __float2half_rn(value); }

template <class T>
__global__ void __launch_bounds__(kThreads) fill_elements(T* out, int64_t count, RandomFill fill) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x; i < count;
       i += stride) {
    store(out + i, random_fill_value(fill, static_cast<uint64_t>(i)));
  }
}

template <class T>
void launch(std::byte* dst, int64_t count, const RandomFill& fill, cudaStream_t stream) {
  const int64_t blocks = std::min(kBlocks, (count + kThreads - 1) / kThreads);
  fill_elements<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(reinterpret_cast<T*>(dst),
                                                                        count, fill);
}

}  // namespace

cudaError_t launch_random_fill(std::byte* dst, DType type, int64_t count, const RandomFill& fill,
                               cudaStream_t stream) {
  if (count <= 0) return cudaSuccess;
  if (type == DType::kFloat32) {
    launch<float>(dst, count, fill, stream);
  } else if (type == DType::kBFloat16) {
    launch<__nv_bfloat16>(dst, count, fill, stream);
  } else {
    launch<__half>(dst, count, fill, stream);
  }
  return cudaGetLastError();
}

}  // namespace ingot
