// Device side: conversions and loads of activation types, eight elements at a time.
#pragma once

#include "kernels/cuda/arch/early_start.cuh"
#include "kernels/cuda/contract/launch.cuh"

namespace ingot::cuda {

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline float to_float(__half x) { return __half2float(x); }

template <class T>
__device__ inline T from_float(float x);
template <>
__device__ inline float from_float<float>(float x) {
  return x;
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
__device__ inline __half from_float<__half>(float x) {
  return __float2half_rn(x);
}

__device__ inline void unpack8(const uint4& word, __nv_bfloat16, float (&v)[8]) {
  const uint32_t* w = &word.x;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    v[2 * i] = __uint_as_float(w[i] << 16);
    v[2 * i + 1] = __uint_as_float(w[i] & 0xffff0000u);
  }
}
__device__ inline void unpack8(const uint4& word, __half, float (&v)[8]) {
  const auto* w = reinterpret_cast<const __half2*>(&word.x);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = __half22float2(w[i]);
    v[2 * i] = pair.x;
    v[2 * i + 1] = pair.y;
  }
}

// Eight elements at a 16-byte boundary.
template <class T>
__device__ inline void load8(const T* p, float (&v)[8]) {
  if constexpr (sizeof(T) == 4) {
    const float4 a = reinterpret_cast<const float4*>(p)[0];
    const float4 b = reinterpret_cast<const float4*>(p)[1];
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
  } else {
    unpack8(*reinterpret_cast<const uint4*>(p), T{}, v);
  }
}
template <class T>
__device__ inline void store8(T* p, const float (&v)[8]) {
  if constexpr (sizeof(T) == 4) {
    reinterpret_cast<float4*>(p)[0] = make_float4(v[0], v[1], v[2], v[3]);
    reinterpret_cast<float4*>(p)[1] = make_float4(v[4], v[5], v[6], v[7]);
  } else {
    alignas(16) T packed[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) packed[i] = from_float<T>(v[i]);
    *reinterpret_cast<uint4*>(p) = *reinterpret_cast<const uint4*>(packed);
  }
}

// The first n of eight elements, zeros after them. `vector`: p lies at a 16-byte boundary.
template <class T>
__device__ inline void load8(const T* p, int64_t n, bool vector, float (&v)[8]) {
  if (vector && n >= 8) return load8(p, v);
#pragma unroll
  for (int i = 0; i < 8; ++i) v[i] = i < n ? to_float(p[i]) : 0.0f;
}
template <class T>
__device__ inline void store8(T* p, int64_t n, bool vector, const float (&v)[8]) {
  if (vector && n >= 8) return store8(p, v);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    if (i < n) p[i] = from_float<T>(v[i]);
  }
}

__device__ inline float load_any(const AnyFloats& a, int64_t i) {
  if (a.type == DType::kBFloat16) return to_float(static_cast<const __nv_bfloat16*>(a.data)[i]);
  if (a.type == DType::kFloat16) return to_float(static_cast<const __half*>(a.data)[i]);
  return static_cast<const float*>(a.data)[i];
}
__device__ inline void load8_any(const AnyFloats& a, int64_t at, int64_t n, bool vector,
                                 float (&v)[8]) {
  if (a.type == DType::kBFloat16) {
    load8(static_cast<const __nv_bfloat16*>(a.data) + at, n, vector, v);
  } else if (a.type == DType::kFloat16) {
    load8(static_cast<const __half*>(a.data) + at, n, vector, v);
  } else {
    load8(static_cast<const float*>(a.data) + at, n, vector, v);
  }
}
__device__ inline void store_any(void* p, DType type, int64_t i, float value) {
  if (type == DType::kBFloat16) {
    static_cast<__nv_bfloat16*>(p)[i] = __float2bfloat16_rn(value);
  } else if (type == DType::kFloat16) {
    static_cast<__half*>(p)[i] = __float2half_rn(value);
  } else {
    static_cast<float*>(p)[i] = value;
  }
}

__device__ inline float warp_sum(float v) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(~0u, v, offset);
  return v;
}
__device__ inline float warp_max(float v) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) v = fmaxf(v, __shfl_xor_sync(~0u, v, offset));
  return v;
}

// Sum over the block, given to every thread; `scratch` holds 32 floats and may be used again only
// after another barrier. The order depends on the block's size alone.
__device__ inline float block_sum(float v, float* scratch) {
  v = warp_sum(v);
  const int warps = (blockDim.x + 31) / 32;
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;
  __syncthreads();
  return warp_sum(threadIdx.x % 32 < warps ? scratch[threadIdx.x % 32] : 0.0f);
}
__device__ inline float block_max(float v, float* scratch) {
  v = warp_max(v);
  const int warps = (blockDim.x + 31) / 32;
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;
  __syncthreads();
  return warp_max(threadIdx.x % 32 < warps ? scratch[threadIdx.x % 32] : -INFINITY);
}

// Row `n` of a weight in pieces.
__device__ inline const std::byte* piece_row(const Pieces& pieces, int64_t n) {
  int i = 0;
  while (i + 1 < pieces.count && n >= pieces.first[i + 1]) ++i;
  return pieces.data[i] + (n - pieces.first[i]) * pieces.row_bytes[i];
}

}  // namespace ingot::cuda
