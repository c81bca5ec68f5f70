// Logits as integers that sort the same way.
#pragma once

#include <cstdint>

namespace ingot::cuda {

// Larger logit, larger key; both zeros have one. Not for NaN.
__device__ inline uint32_t order_key(float v) {
  const uint32_t bits = __float_as_uint(v + 0.0f);  // -0 becomes +0
  return bits ^ ((bits >> 31) != 0 ? 0xffffffffu : 0x80000000u);
}
__device__ inline float key_value(uint32_t key) {
  return __uint_as_float(key ^ ((key >> 31) != 0 ? 0x80000000u : 0xffffffffu));
}
constexpr uint32_t kLeastKey = 0x007fffffu;  // of -infinity

// NaN or +infinity.
__device__ inline bool is_faulty(float v) { return !(v < INFINITY); }

// An id with its logit: larger for larger logits, and for lower ids among equals.
__device__ inline unsigned long long entry_of(float v, int id) {
  return static_cast<unsigned long long>(order_key(v)) << 32 | (0xffffffffu - id);
}
// As candidates for the best: 0 for -infinity, the largest of all for a faulty logit.
constexpr unsigned long long kFaultyCandidate = ~0ull;
__device__ inline unsigned long long candidate_of(float v, int id) {
  if (is_faulty(v)) return kFaultyCandidate;
  return v == -INFINITY ? 0 : entry_of(v, id);
}
__device__ inline int candidate_id(unsigned long long c) {
  return static_cast<int>(0xffffffffu - static_cast<uint32_t>(c));
}
__device__ inline float candidate_value(unsigned long long c) {
  return key_value(static_cast<uint32_t>(c >> 32));
}

}  // namespace ingot::cuda
