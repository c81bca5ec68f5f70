// Instruction sets of this CPU, as CPUID and the operating system allow them.
#pragma once

#include <string>

namespace ingot {

// Ordered: each level implies the ones before it.
enum class CpuIsa { kScalar, kAvx2, kAvx512, kAvx512Bf16, kAmx };

// The best level usable here: CPUID bits, OS-enabled state (XGETBV), AMX permission of the process,
// capped by the knob cpu_isa. Asks the kernel for AMX once per process.
// kAvx2: AVX2+FMA+F16C. kAvx512: F+BW+DQ+VL+VNNI. kAvx512Bf16: + BF16. kAmx: + AMX tile, bf16,
// int8.
CpuIsa cpu_isa();
std::string cpu_isa_name(CpuIsa isa);
std::string cpu_model_name();  // as the CPU states it, for reports and cache keys

}  // namespace ingot
