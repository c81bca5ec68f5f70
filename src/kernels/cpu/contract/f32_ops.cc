#include "kernels/cpu/contract/f32_ops.h"

#include "ops/shared/shape.h"

namespace ingot::cpu {

std::string needs_f32(const KernelDesc& desc) {
  for (const auto* side : {&desc.inputs, &desc.outputs}) {
    for (const OperandDesc& operand : *side) {
      if (operand.present && !(operand.type == ElementType(DType::kFloat32))) {
        return "needs float32, got " + operand.type.name();
      }
    }
  }
  return "";
}

bool all_packed(const LaunchArgs& args) {
  for (const auto& side : {args.inputs, args.outputs}) {
    for (const TensorView& view : side) {
      if (view.present() && !view.is_packed()) return false;
    }
  }
  for (const auto& pieces : args.segments) {
    if (!pieces.empty()) return false;
  }
  return true;
}

BroadcastPlan plan_broadcast(const Shape& a, const Shape& b, const Shape& out) {
  const std::array<std::vector<int64_t>, 2> strides = {ops::broadcast_strides(a, out),
                                                       ops::broadcast_strides(b, out)};
  BroadcastPlan plan;
  size_t first = out.size();
  // Trailing axes join the row while both operands stay runs, or stay repeated, over all of it.
  std::array<int64_t, 2> step{-1, -1};  // -1 open, 0 repeated, 1 a run
  while (first > 0) {
    const size_t axis = first - 1;
    if (out[axis] != 1) {
      std::array<int64_t, 2> next = step;
      bool joins = true;
      for (size_t k = 0; k < 2; ++k) {
        const int64_t want = strides[k][axis];
        if (step[k] == -1) {
          next[k] = want == 0 ? 0 : 1;
          joins = joins && (want == 0 || want == 1);
        } else {
          joins = joins && want == (step[k] == 0 ? 0 : plan.inner);
        }
      }
      if (!joins) break;
      step = next;
      plan.inner *= out[axis];
    }
    --first;
  }
  for (size_t k = 0; k < 2; ++k) {
    plan.repeats[k] = step[k] == 0;
    plan.strides[k].assign(strides[k].begin(), strides[k].begin() + static_cast<int64_t>(first));
  }
  plan.outer.assign(out.begin(), out.begin() + static_cast<int64_t>(first));
  return plan;
}

std::array<int64_t, 2> broadcast_offsets(const BroadcastPlan& plan, int64_t row) {
  std::array<int64_t, 2> out{};
  for (size_t d = plan.outer.size(); d-- > 0;) {
    const int64_t index = row % plan.outer[d];
    row /= plan.outer[d];
    for (size_t k = 0; k < 2; ++k) out[k] += index * plan.strides[k][d];
  }
  return out;
}

}  // namespace ingot::cpu
