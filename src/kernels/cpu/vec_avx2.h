// Float32 vectors of 8 lanes: the twin of vec_avx512.h, see there.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/cpu/isa.h"
#include "tensor/cpu_isa.h"

#define ISA_FN INGOT_TARGET_AVX2
#define VEC_FN [[gnu::always_inline]] static inline ISA_FN

namespace ingot::cpu {
namespace {

using Vec = __m256;
constexpr int kLanes = 8;
constexpr CpuIsa kVecIsa = CpuIsa::kAvx2;
constexpr const char* kVecIsaMissing = "needs AVX2";
constexpr int kVecPriority = 10;
constexpr bool kWideRegisters = false;  // 16 vector registers

VEC_FN Vec vzero() { return _mm256_setzero_ps(); }
VEC_FN Vec vset(float x) { return _mm256_set1_ps(x); }
VEC_FN Vec vadd(Vec a, Vec b) { return _mm256_add_ps(a, b); }
VEC_FN Vec vsub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
VEC_FN Vec vmul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
VEC_FN Vec vdiv(Vec a, Vec b) { return _mm256_div_ps(a, b); }
VEC_FN Vec vfma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }    // a*b+c
VEC_FN Vec vfnma(Vec a, Vec b, Vec c) { return _mm256_fnmadd_ps(a, b, c); }  // c-a*b
VEC_FN Vec vmax(Vec a, Vec b) { return _mm256_max_ps(a, b); }
VEC_FN Vec vmin(Vec a, Vec b) { return _mm256_min_ps(a, b); }
VEC_FN Vec vabs(Vec a) { return _mm256_andnot_ps(vset(-0.0f), a); }
VEC_FN Vec vcopysign(Vec magnitude, Vec sign) {
  return _mm256_or_ps(_mm256_andnot_ps(vset(-0.0f), magnitude), _mm256_and_ps(vset(-0.0f), sign));
}
// x < limit ? a : b, lane by lane.
VEC_FN Vec vselect_lt(Vec x, Vec limit, Vec a, Vec b) {
  return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, limit, _CMP_LT_OQ));
}
// x is NaN ? x : y.
VEC_FN Vec vkeep_nan(Vec x, Vec y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}
VEC_FN Vec vround(Vec a) { return _mm256_round_ps(a, 8); }
VEC_FN Vec vfloor(Vec a) { return _mm256_floor_ps(a); }
// 2^n for integral n in [-126, 127].
VEC_FN Vec vexp2_int(Vec n) {
  const __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
}

VEC_FN __m256i first_lanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

VEC_FN Vec vload(const float* p) { return _mm256_loadu_ps(p); }
VEC_FN void vstore(float* p, Vec v) { _mm256_storeu_ps(p, v); }
VEC_FN Vec vload_n(const float* p, int64_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
VEC_FN void vstore_n(float* p, Vec v, int64_t n) { _mm256_maskstore_ps(p, first_lanes(n), v); }

VEC_FN __m128i load_u16(const uint16_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
VEC_FN void store_u16(uint16_t* p, __m128i v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v);
}
VEC_FN __m128i load_u16_n(const uint16_t* p, int64_t n) {
  alignas(16) uint16_t bits[8] = {};
  std::memcpy(bits, p, static_cast<size_t>(n) * 2);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bits));
}
VEC_FN void store_u16_n(uint16_t* p, __m128i v, int64_t n) {
  alignas(16) uint16_t bits[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(bits), v);
  std::memcpy(p, bits, static_cast<size_t>(n) * 2);
}
VEC_FN Vec widen_bf16(__m128i bits) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
// Round to nearest even; NaN stays NaN. Equal to f32_to_bf16 bit for bit.
VEC_FN __m128i narrow_bf16(Vec v) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  const Vec quiet = _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x400000)));
  const Vec nan = _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
  const __m256i out = _mm256_srli_epi32(
      _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(rounded), quiet, nan)), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(out), _mm256_extracti128_si256(out, 1));
}
VEC_FN Vec widen_f16(__m128i bits) { return _mm256_cvtph_ps(bits); }
VEC_FN __m128i narrow_f16(Vec v) { return _mm256_cvtps_ph(v, 0); }

// Bytes to lanes of 32 bits.
VEC_FN __m256i load_bytes(const void* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
}
VEC_FN __m256i load_signed_bytes(const void* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
}
VEC_FN __m256i low_nibbles(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi32(15)); }
VEC_FN __m256i high_nibbles(__m256i bytes) { return _mm256_srli_epi32(bytes, 4); }
VEC_FN Vec from_int(__m256i x) { return _mm256_cvtepi32_ps(x); }

VEC_FN __m128 fold_quarters(Vec v) {
  return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}
// Lane sums of four vectors. The order of additions inside one vector is fixed: it does not depend
// on which of the four it is.
VEC_FN __m128 vsum4(Vec a, Vec b, Vec c, Vec d) {
  const Vec ab = vadd(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
  const Vec cd = vadd(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
  const __m256d x = _mm256_castps_pd(ab);
  const __m256d y = _mm256_castps_pd(cd);
  return fold_quarters(
      vadd(_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)), _mm256_castpd_ps(_mm256_unpackhi_pd(x, y))));
}
VEC_FN float vfirst(Vec a) { return _mm256_cvtss_f32(a); }
VEC_FN float vmax_lanes(Vec a) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_shuffle_ps(m, m, 1)));
}

}  // namespace
}  // namespace ingot::cpu

#include "kernels/cpu/vec_common.h"
