// Targets of the functions that use an instruction set. They are set function by function, never by
// compiler flags of a file: an inline function of a shared header compiled with -mavx512f could be
// the copy the linker keeps for machines without it.
#pragma once

#define INGOT_TARGET_AVX2 __attribute__((target("avx2,fma,f16c")))
#define INGOT_TARGET_AVX512 \
  __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define INGOT_TARGET_AVX512BF16                                             \
  __attribute__((                                                           \
      target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni," \
             "avx512bf16")))
#define INGOT_TARGET_AMX                                                                     \
  __attribute__((target(                                                                     \
      "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,amx-tile,amx-" \
      "bf16,amx-int8")))
