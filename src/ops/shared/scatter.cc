#include "ops/shared/scatter.h"

namespace ingot::ops {

void check_reduction(const InferArgs& args, const std::string& reduction) {
  for (std::string_view known : {"none", "add", "mul", "max", "min"}) {
    if (reduction == known) return;
  }
  args.bad("reduction must be none, add, mul, max or min, got " + reduction);
}

}  // namespace ingot::ops
