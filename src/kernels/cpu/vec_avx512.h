// Float32 vectors of 16 lanes. Included by the *_avx512.cc files alone, before the *_body.h of an
// operator, which is written once against these names. Everything sits in an unnamed namespace and
// carries its target attribute, so no code of this instruction set leaks into other files.
#pragma once

// GCC 12 warns about the undefined pass-through operands inside its own intrinsics (PR 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/cpu/isa.h"
#include "tensor/cpu_isa.h"

#define ISA_FN INGOT_TARGET_AVX512
#define VEC_FN [[gnu::always_inline]] static inline ISA_FN

namespace ingot::cpu {
namespace {

using Vec = __m512;
constexpr int kLanes = 16;
constexpr CpuIsa kVecIsa = CpuIsa::kAvx512;
constexpr const char* kVecIsaMissing = "needs AVX-512";
constexpr int kVecPriority = 20;
constexpr bool kWideRegisters = true;  // 32 vector registers

VEC_FN Vec vzero() { return _mm512_setzero_ps(); }
VEC_FN Vec vset(float x) { return _mm512_set1_ps(x); }
VEC_FN Vec vadd(Vec a, Vec b) { return _mm512_add_ps(a, b); }
VEC_FN Vec vsub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
VEC_FN Vec vmul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
VEC_FN Vec vdiv(Vec a, Vec b) { return _mm512_div_ps(a, b); }
VEC_FN Vec vfma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }    // a*b+c
VEC_FN Vec vfnma(Vec a, Vec b, Vec c) { return _mm512_fnmadd_ps(a, b, c); }  // c-a*b
VEC_FN Vec vmax(Vec a, Vec b) { return _mm512_max_ps(a, b); }
VEC_FN Vec vmin(Vec a, Vec b) { return _mm512_min_ps(a, b); }
VEC_FN Vec vabs(Vec a) { return _mm512_abs_ps(a); }
VEC_FN Vec vcopysign(Vec magnitude, Vec sign) {
  const __m512i s = _mm512_set1_epi32(INT32_MIN);
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(s, _mm512_castps_si512(sign),
                                                       _mm512_castps_si512(magnitude), 0xca));
}
// x < limit ? a : b, lane by lane.
VEC_FN Vec vselect_lt(Vec x, Vec limit, Vec a, Vec b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), b, a);
}
// x is NaN ? x : y.
VEC_FN Vec vkeep_nan(Vec x, Vec y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), y, x);
}
VEC_FN Vec vround(Vec a) { return _mm512_roundscale_ps(a, 8); }
VEC_FN Vec vfloor(Vec a) { return _mm512_roundscale_ps(a, 9); }
// 2^n for integral n in [-126, 127].
VEC_FN Vec vexp2_int(Vec n) {
  const __m512i e = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(e, 23));
}

VEC_FN __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }

VEC_FN Vec vload(const float* p) { return _mm512_loadu_ps(p); }
VEC_FN void vstore(float* p, Vec v) { _mm512_storeu_ps(p, v); }
VEC_FN Vec vload_n(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
VEC_FN void vstore_n(float* p, Vec v, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }

VEC_FN __m256i load_u16(const uint16_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
VEC_FN void store_u16(uint16_t* p, __m256i v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
}
VEC_FN __m256i load_u16_n(const uint16_t* p, int64_t n) {
  return _mm256_maskz_loadu_epi16(first_lanes(n), p);
}
VEC_FN void store_u16_n(uint16_t* p, __m256i v, int64_t n) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), v);
}
VEC_FN Vec widen_bf16(__m256i bits) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
// Round to nearest even; NaN stays NaN. Equal to f32_to_bf16 bit for bit.
VEC_FN __m256i narrow_bf16(Vec v) {
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}
VEC_FN Vec widen_f16(__m256i bits) { return _mm512_cvtph_ps(bits); }
VEC_FN __m256i narrow_f16(Vec v) { return _mm512_cvtps_ph(v, 8); }

// Bytes to lanes of 32 bits.
VEC_FN __m512i load_bytes(const void* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
VEC_FN __m512i load_signed_bytes(const void* p) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
VEC_FN __m512i low_nibbles(__m512i bytes) { return _mm512_and_si512(bytes, _mm512_set1_epi32(15)); }
VEC_FN __m512i high_nibbles(__m512i bytes) { return _mm512_srli_epi32(bytes, 4); }
VEC_FN Vec from_int(__m512i x) { return _mm512_cvtepi32_ps(x); }

VEC_FN __m128 fold_quarters(Vec v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
// Lane sums of four vectors. The order of additions inside one vector is fixed: it does not depend
// on which of the four it is.
VEC_FN __m128 vsum4(Vec a, Vec b, Vec c, Vec d) {
  const Vec ab = vadd(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const Vec cd = vadd(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const __m512d x = _mm512_castps_pd(ab);
  const __m512d y = _mm512_castps_pd(cd);
  return fold_quarters(
      vadd(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y))));
}
VEC_FN float vfirst(Vec a) { return _mm512_cvtss_f32(a); }
VEC_FN float vmax_lanes(Vec a) { return _mm512_reduce_max_ps(a); }

}  // namespace
}  // namespace ingot::cpu

#include "kernels/cpu/vec_common.h"
