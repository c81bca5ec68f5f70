// Matrix products by warpgroups of four warps (wgmma, sm_90a): 64 rows by 64 or 128 columns, 16-bit
// operands, float32 sums. The products run beside the warps: between the first one and the
// wgmma_wait() that ends it, nobody may touch its sums, registers of its left operand or the shared
// memory that it reads. PTX ISA 8.0, section "Asynchronous Warpgroup Level Matrix Instructions".
//
// Sums: lane l of warp w holds rows 16 w + l / 4 and 8 more, columns 8 j + 2 (l % 4) and the next:
// sum[4 j], sum[4 j + 1] of the first row, sum[4 j + 2], sum[4 j + 3] of the second.
#pragma once

#include "kernels/cuda/arch/mma.cuh"
#include "kernels/cuda/arch/tma.cuh"

namespace ingot::cuda {

// Operands in shared memory lie in rows of 128 bytes whose 16-byte units are swizzled: unit u of
// row r is stored at u ^ (r % 8), as the accelerator's 128-byte swizzle writes it. Tiles start at
// multiples of 1024 bytes. A descriptor may be advanced by (bytes >> 4).

// Rows are rows of the left, columns of the right operand; along them run the 64 elements that are
// summed over. To the next 16 of those: 32 bytes.
__device__ inline uint64_t wgmma_rows(uint32_t shared) {
  return uint64_t{(shared & 0x3ffff) >> 4} | uint64_t{1} << 16 | uint64_t{1024 >> 4} << 32 |
         uint64_t{1} << 62;
}
// A right operand whose rows are summed over; along them run 64 columns of the result, and the next
// 64 lie `next` bytes on. To the next 16 rows: 2048 bytes.
__device__ inline uint64_t wgmma_columns(uint32_t shared, uint32_t next) {
  return uint64_t{(shared & 0x3ffff) >> 4} | uint64_t{next >> 4} << 16 | uint64_t{1024 >> 4} << 32 |
         uint64_t{1} << 62;
}

// Before the first product after registers that it uses were written.
__device__ inline void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Waits for all but the last kLeft committed groups.
template <int kLeft>
__device__ inline void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kLeft) : "memory");
}
// Keeps the compiler from moving uses of registers across a wait: it knows of no asynchrony.
template <int kCount>
__device__ inline void wgmma_hold(float (&r)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(r[i])::"memory");
}
template <int kCount>
__device__ inline void wgmma_hold(uint32_t (&r)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+r"(r[i])::"memory");
}

#define INGOT_SUMS_8(d, i)                                                                    \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define INGOT_SUMS_32(d, i) \
  INGOT_SUMS_8(d, i), INGOT_SUMS_8(d, i + 8), INGOT_SUMS_8(d, i + 16), INGOT_SUMS_8(d, i + 24)
#define INGOT_SUM_NAMES_32                   \
  "%0, %1, %2, %3, %4, %5, %6, %7"           \
  ", %8, %9, %10, %11, %12, %13, %14, %15"   \
  ", %16, %17, %18, %19, %20, %21, %22, %23" \
  ", %24, %25, %26, %27, %28, %29, %30, %31"
#define INGOT_SUM_NAMES_64                   \
  INGOT_SUM_NAMES_32                         \
  ", %32, %33, %34, %35, %36, %37, %38, %39" \
  ", %40, %41, %42, %43, %44, %45, %46, %47" \
  ", %48, %49, %50, %51, %52, %53, %54, %55" \
  ", %56, %57, %58, %59, %60, %61, %62, %63"

// sum[64 x 128] = left[64 x 16] right[128 x 16]^T, or += with `add`; both in shared memory.
#define INGOT_WGMMA_ROWS(T, name)                                                                  \
  __device__ inline void wgmma_keys(float(&sum)[64], uint64_t left, uint64_t right, bool add, T) { \
    asm volatile(                                                                                  \
        "{.reg .pred p; setp.ne.b32 p, %66, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32." name  \
        "." name " {" INGOT_SUM_NAMES_64 "}, %64, %65, p, 1, 1, 0, 0;}"                            \
        : INGOT_SUMS_32(sum, 0), INGOT_SUMS_32(sum, 32)                                            \
        : "l"(left), "l"(right), "r"(static_cast<int>(add)));                                      \
  }
INGOT_WGMMA_ROWS(__nv_bfloat16, "bf16")
INGOT_WGMMA_ROWS(__half, "f16")
#undef INGOT_WGMMA_ROWS

// sum[64 x 128 or 64 x 64] += left[64 x 16] right[16 x 128 or 16 x 64]; left in registers, as four
// of the warp-level instruction.
#define INGOT_WGMMA_COLUMNS(T, name)                                                              \
  __device__ inline void wgmma_values(float(&sum)[64], const uint32_t* left, uint64_t right, T) { \
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32." name "." name                     \
                 " {" INGOT_SUM_NAMES_64 "}, {%64, %65, %66, %67}, %68, 1, 1, 1, 1;"              \
                 : INGOT_SUMS_32(sum, 0), INGOT_SUMS_32(sum, 32)                                  \
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "l"(right));           \
  }                                                                                               \
  __device__ inline void wgmma_values(float(&sum)[32], const uint32_t* left, uint64_t right, T) { \
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32." name "." name                      \
                 " {" INGOT_SUM_NAMES_32 "}, {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"              \
                 : INGOT_SUMS_32(sum, 0)                                                          \
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "l"(right));           \
  }
INGOT_WGMMA_COLUMNS(__nv_bfloat16, "bf16")
INGOT_WGMMA_COLUMNS(__half, "f16")
#undef INGOT_WGMMA_COLUMNS

#undef INGOT_SUM_NAMES_64
#undef INGOT_SUM_NAMES_32
#undef INGOT_SUMS_32
#undef INGOT_SUMS_8

}  // namespace ingot::cuda
