// Weights that a kernel reads once.
#pragma once

#include "kernels/cuda/arch/numeric.cuh"

namespace ingot::cuda {

// They do not stay in L1.
__device__ inline uint4 load_streamed(const void* p) {
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p));
  return v;
}

// Eight weights as they lie in memory.
template <class W>
struct Raw8 {
  uint4 words[sizeof(W) / 2];
  __device__ void load(const W* p) {
#pragma unroll
    for (size_t i = 0; i < sizeof(W) / 2; ++i) {
      words[i] = load_streamed(reinterpret_cast<const uint4*>(p) + i);
    }
  }
  __device__ void unpack(float (&v)[8]) const {
    if constexpr (sizeof(W) == 4) {
      const auto* f = reinterpret_cast<const float*>(words);
#pragma unroll
      for (int i = 0; i < 8; ++i) v[i] = f[i];
    } else {
      unpack8(words[0], W{}, v);
    }
  }
};

}  // namespace ingot::cuda
