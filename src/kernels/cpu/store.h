// Stores of up to four float32 results in an activation type.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "base/dtype.h"
#include "kernels/cpu/isa.h"

namespace ingot::cpu {
namespace {

// Round to nearest even like f32_to_bf16, in the low 8 bytes.
[[gnu::always_inline]] static inline INGOT_TARGET_AVX2 __m128i narrow4_bf16(__m128 v) {
  const __m128i bits = _mm_castps_si128(v);
  const __m128i odd = _mm_and_si128(_mm_srli_epi32(bits, 16), _mm_set1_epi32(1));
  const __m128i rounded = _mm_add_epi32(_mm_add_epi32(bits, _mm_set1_epi32(0x7fff)), odd);
  const __m128i quiet = _mm_or_si128(bits, _mm_set1_epi32(0x400000));
  const __m128 out =
      _mm_blendv_ps(_mm_castsi128_ps(rounded), _mm_castsi128_ps(quiet), _mm_cmpunord_ps(v, v));
  return _mm_packus_epi32(_mm_srli_epi32(_mm_castps_si128(out), 16), _mm_setzero_si128());
}

[[gnu::always_inline]] static inline INGOT_TARGET_AVX2 void store4(std::byte* dst, DType type,
                                                                   __m128 v) {
  if (type == DType::kFloat32) {
    _mm_storeu_ps(reinterpret_cast<float*>(dst), v);
  } else {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(dst),
                     type == DType::kBFloat16 ? narrow4_bf16(v) : _mm_cvtps_ph(v, 0));
  }
}

// The lowest of the four.
[[gnu::always_inline]] static inline INGOT_TARGET_AVX2 void store1(std::byte* dst, DType type,
                                                                   __m128 v) {
  if (type == DType::kFloat32) {
    _mm_store_ss(reinterpret_cast<float*>(dst), v);
  } else {
    const int bits =
        _mm_cvtsi128_si32(type == DType::kBFloat16 ? narrow4_bf16(v) : _mm_cvtps_ph(v, 0));
    std::memcpy(dst, &bits, 2);
  }
}

}  // namespace
}  // namespace ingot::cpu
