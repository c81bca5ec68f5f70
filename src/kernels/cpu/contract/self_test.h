// A kernel's own small test, run once before its first use; a fault fails it.
#pragma once

#include <span>
#include <vector>

#include "kernels/kernel_def.h"

namespace ingot::cpu {

struct SelfTestInput {
  ElementType type;
  Shape shape;
  bool constant = false;
  // Integer inputs take these values; floating-point ones are random normal.
  std::vector<int64_t> values = {};
  bool state = false;
};
struct SelfTestCase {
  Attrs attrs;
  std::vector<SelfTestInput> inputs;
};

// True when every tactic of the kernel agrees with the operator's reference on every case that it
// supports here, within 1e-4 (float32 outputs) or 2^-6 (16-bit ones) of the largest output.
bool self_test(const KernelDef& kernel, const std::vector<SelfTestCase>& cases);

}  // namespace ingot::cpu
