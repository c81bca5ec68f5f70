#include "kernels/cuda/arch/row_team.cuh"

namespace ingot::cuda {
namespace kernel_logits_min_p {

struct MinPArgs {
  static constexpr const char* kName = "logits_min_p";
  TeamRows rows;
  const float* min_p;
};

__global__ void __launch_bounds__(kTeamThreads) min_p_rows(MinPArgs a) {
  __shared__ TeamSlot<float> slot;
  Team team(a.rows);
  const float min_p = a.min_p[team.row];
  if (min_p <= 0.0f) {
    copy_slice(a.rows, team);
    return;
  }
  const float first = a.rows.x[team.row * a.rows.x_stride];
  float top = -INFINITY;
  load_slice(a.rows, team, true, [&](int, float v) { top = fmaxf(top, v); });
  top = team_reduce(team, slot, top, [](float x, float y) { return fmaxf(x, y); });
  // As std::max_element finds it: NaN if that comes first, else NaN is passed over.
  if (isnan(first)) top = first;
  const double share = 1.0f < min_p ? 1.0 : static_cast<double>(min_p);  // NaN stays
  const float least = top + static_cast<float>(log(share));
  write_slice(a.rows, team, [&](int, float v) { return v < least ? -INFINITY : v; });
  team.sync();
}

MinPArgs fill(const LaunchArgs& args) {
  MinPArgs a = {};
  a.min_p = args.inputs[1].as<const float>();
  return a;
}

}  // namespace kernel_logits_min_p

// Threshold below the best.
const KernelDef& logits_min_p_kernel() {
  using namespace kernel_logits_min_p;
  static const KernelDef kernel = {.name = "logits_min_p",
                                   .op = "logits_min_p",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 10,
                                   .supports = team_supports,
                                   .prepare = team_instance<MinPArgs, min_p_rows, fill, true>};
  return kernel;
}

}  // namespace ingot::cuda
