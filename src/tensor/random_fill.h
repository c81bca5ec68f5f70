// Tensors that are a rule instead of bytes: values made from a seed where they are needed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

#ifdef __CUDACC__
#define INGOT_HD __host__ __device__
#else
#define INGOT_HD
#endif

namespace ingot {

class ThreadTeam;

// Element i has the value offset + scale * u(i). Either offset or scale is 0, so that nothing is
// rounded twice: with both, a fused multiply-add would give other bits than two steps.
struct RandomFill {
  uint64_t seed = 0;
  float scale = 0;  // half the width of the uniform distribution: its deviation is scale / sqrt(3)
  float offset = 0;
  bool operator==(const RandomFill&) const = default;
};

// u(i) = k * 2^-23, where k is the first 24 bits of random_u64(seed, i) (base/random.h:
// SplitMix64's finalizer of seed + (i + 1) * 0x9e3779b97f4a7c15) less 2^23: uniform in [-1, 1),
// exact in float32. Product and sum are float32, rounded to nearest even, and so is the element's
// type.
INGOT_HD inline float random_fill_value(const RandomFill& fill, uint64_t index) {
  uint64_t z = fill.seed + 0x9e3779b97f4a7c15ull * (index + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  const int32_t k = static_cast<int32_t>(z >> 40) - (int32_t{1} << 23);
  return fill.offset + fill.scale * (static_cast<float>(k) * (1.0f / 8388608.0f));
}

// Types that elements can have: float32, bfloat16, float16.
bool is_random_type(DType type);

// Elements first to first + count of a tensor, in host memory. `team` may be null. CHECKs the type.
void fill_random_host(std::byte* dst, DType type, int64_t first, int64_t count,
                      const RandomFill& fill, ThreadTeam* team);

}  // namespace ingot
