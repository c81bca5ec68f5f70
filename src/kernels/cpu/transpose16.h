// Transpose of a 16 x 16 matrix of 32-bit elements in registers.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/isa.h"

namespace ingot::cpu {
namespace {

[[gnu::always_inline]] static inline INGOT_TARGET_AVX512 void transpose16(__m512i* r) {
  __m512i a[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  // b[4g + c]: column 4q + c of rows 4g .. 4g + 3 in 128-bit lane q.
  __m512i b[16];
#pragma GCC unroll 4
  for (int g = 0; g < 16; g += 4) {
    b[g] = _mm512_unpacklo_epi64(a[g], a[g + 2]);
    b[g + 1] = _mm512_unpackhi_epi64(a[g], a[g + 2]);
    b[g + 2] = _mm512_unpacklo_epi64(a[g + 1], a[g + 3]);
    b[g + 3] = _mm512_unpackhi_epi64(a[g + 1], a[g + 3]);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512i low01 = _mm512_shuffle_i32x4(b[c], b[4 + c], 0x88);  // lanes 0, 2
    const __m512i low23 = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], 0x88);
    const __m512i high01 = _mm512_shuffle_i32x4(b[c], b[4 + c], 0xdd);  // lanes 1, 3
    const __m512i high23 = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], 0xdd);
    r[c] = _mm512_shuffle_i32x4(low01, low23, 0x88);
    r[8 + c] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
    r[4 + c] = _mm512_shuffle_i32x4(high01, high23, 0x88);
    r[12 + c] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
  }
}

}  // namespace
}  // namespace ingot::cpu
