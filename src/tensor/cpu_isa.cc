#include "tensor/cpu_isa.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "base/knobs.h"

namespace ingot {
namespace {

struct CpuidResult {
  uint32_t a, b, c, d;
};

CpuidResult cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidResult r{};
  if (leaf > __get_cpuid_max(leaf & 0x80000000u, nullptr)) return r;
  __cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
  return r;
}

uint64_t xgetbv0() {
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

bool bit(uint32_t value, int index) { return (value >> index) & 1u; }

// Linux gives tile data state only to processes that ask for it (arch_prctl, since 5.16).
bool request_amx() {
  constexpr long kArchReqXcompPerm = 0x1023;
  constexpr long kXfeatureTileData = 18;
  return ::syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureTileData) == 0;
}

CpuIsa detect() {
  const CpuidResult leaf1 = cpuid(1, 0);
  const CpuidResult leaf7 = cpuid(7, 0);
  const CpuidResult leaf7_1 = cpuid(7, 1);
  if (!bit(leaf1.c, 27)) return CpuIsa::kScalar;  // OSXSAVE
  const uint64_t state = xgetbv0();
  const bool ymm = (state & 0x6) == 0x6;
  const bool zmm = (state & 0xe6) == 0xe6;
  const bool tiles = (state & 0x60000) == 0x60000;
  const bool avx2 = ymm && bit(leaf7.b, 5) && bit(leaf1.c, 12) && bit(leaf1.c, 29);
  if (!avx2) return CpuIsa::kScalar;
  const bool avx512 = zmm && bit(leaf7.b, 16) && bit(leaf7.b, 30) && bit(leaf7.b, 17) &&
                      bit(leaf7.b, 31) && bit(leaf7.c, 11);
  if (!avx512) return CpuIsa::kAvx2;
  if (!bit(leaf7_1.a, 5)) return CpuIsa::kAvx512;
  const bool amx = tiles && bit(leaf7.d, 24) && bit(leaf7.d, 22) && bit(leaf7.d, 25);
  return amx && request_amx() ? CpuIsa::kAmx : CpuIsa::kAvx512Bf16;
}

constexpr const char* kNames[] = {"scalar", "avx2", "avx512", "avx512bf16", "amx"};

}  // namespace

CpuIsa cpu_isa() {
  static const CpuIsa detected = detect();
  const std::string cap = knob_text("cpu_isa");
  if (cap == "auto") return detected;
  const auto* name = std::find(std::begin(kNames), std::end(kNames), cap);
  CHECK(name != std::end(kNames));  // the knob has no other choices
  return std::min(detected, static_cast<CpuIsa>(name - kNames));
}

std::string cpu_isa_name(CpuIsa isa) { return kNames[static_cast<int>(isa)]; }

std::string cpu_model_name() {
  char name[49] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    const CpuidResult r = cpuid(0x80000002u + i, 0);
    std::memcpy(name + 16 * i, &r, 16);
  }
  std::string out(name);
  const size_t first = out.find_first_not_of(' ');
  return first == std::string::npos ? "unknown CPU" : out.substr(first);
}

}  // namespace ingot
