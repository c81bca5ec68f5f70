// The definition of a kernel whose body is written against vec_<isa>.h; include after that header.
#pragma once

#include "kernels/cpu/contract/self_test.h"
#include "kernels/kernel_def.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {
namespace {

// kSelf is the registered function, which holds the definition; kSupports may take it for granted
// that the instruction set is there.
template <const KernelDef& (*kSelf)(), std::string (*kSupports)(const KernelDesc&),
          std::vector<SelfTestCase> (*kCases)()>
KernelDef vec_kernel(std::string_view name, std::string_view op,
                     std::unique_ptr<KernelInstance> (*prepare)(const KernelDesc&,
                                                                std::string_view)) {
  return {.name = name,
          .op = op,
          .device = "cpu",
          .invariant = true,
          .priority = kVecPriority,
          .supports =
              [](const KernelDesc& desc) {
                return cpu_isa() < kVecIsa ? std::string(kVecIsaMissing) : kSupports(desc);
              },
          .prepare = prepare,
          .self_test = [] { return self_test(kSelf(), kCases()); }};
}

}  // namespace
}  // namespace ingot::cpu
