// What follows from the primitives of a vec_<isa>.h, which includes this at its end.
#pragma once

#include <cstdint>

namespace ingot::cpu {
namespace {

// Loads and stores of one element type: whole vectors, and the first n < kLanes elements.
struct Bf16Io {
  using T = uint16_t;
  VEC_FN Vec load(const uint16_t* p) { return widen_bf16(load_u16(p)); }
  VEC_FN Vec load_n(const uint16_t* p, int64_t n) { return widen_bf16(load_u16_n(p, n)); }
  VEC_FN void store(uint16_t* p, Vec v) { store_u16(p, narrow_bf16(v)); }
  VEC_FN void store_n(uint16_t* p, Vec v, int64_t n) { store_u16_n(p, narrow_bf16(v), n); }
};
struct F16Io {
  using T = uint16_t;
  VEC_FN Vec load(const uint16_t* p) { return widen_f16(load_u16(p)); }
  VEC_FN Vec load_n(const uint16_t* p, int64_t n) { return widen_f16(load_u16_n(p, n)); }
  VEC_FN void store(uint16_t* p, Vec v) { store_u16(p, narrow_f16(v)); }
  VEC_FN void store_n(uint16_t* p, Vec v, int64_t n) { store_u16_n(p, narrow_f16(v), n); }
};
struct F32Io {
  using T = float;
  VEC_FN Vec load(const float* p) { return vload(p); }
  VEC_FN Vec load_n(const float* p, int64_t n) { return vload_n(p, n); }
  VEC_FN void store(float* p, Vec v) { vstore(p, v); }
  VEC_FN void store_n(float* p, Vec v, int64_t n) { vstore_n(p, v, n); }
};

// kLanes signed bytes; the low or high nibbles of kLanes bytes.
VEC_FN Vec vload_i8(const void* p) { return from_int(load_signed_bytes(p)); }
VEC_FN Vec vload_low4(const void* p) { return from_int(low_nibbles(load_bytes(p))); }
VEC_FN Vec vload_high4(const void* p) { return from_int(high_nibbles(load_bytes(p))); }

VEC_FN float vsum(Vec a) { return _mm_cvtss_f32(vsum4(a, a, a, a)); }

}  // namespace
}  // namespace ingot::cpu
