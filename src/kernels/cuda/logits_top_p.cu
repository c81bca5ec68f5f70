#include "kernels/cuda/arch/row_select.cuh"

namespace ingot::cuda {
namespace kernel_logits_top_p {

using Mass = unsigned long long;

struct TopPArgs {
  static constexpr const char* kName = "logits_top_p";
  TeamRows rows;
  const float* p;
};

// The difference in float32 and the mass in float64, as in the reference.
__device__ double weight(float v, float top) { return exp(static_cast<double>(v - top)); }

__global__ void __launch_bounds__(kTeamThreads) top_p_rows(TopPArgs a) {
  __shared__ Selection<Mass> selection;
  __shared__ TeamSlot<RowRange> slot;
  __shared__ TeamSlot<double> sums;
  Team team(a.rows);
  const double p = static_cast<double>(a.p[team.row]);
  if (!(p < 1)) {
    copy_slice(a.rows, team);
    return;
  }
  RowRange range = RowRange::none();
  load_slice(a.rows, team, true, [&](int, float v) { range.add(v); });
  range = team_reduce(team, slot, range, RowRange::Merge());
  if (range.faulty || range.top < range.bottom) {
    copy_slice(a.rows, team);
    team.sync();
    return;
  }
  const float top = range.top;
  double total = 0;
  visit_slice(team, [&](int, float v) {
    if (v != -INFINITY) total += weight(v, top);
  });
  total = team_reduce(team, sums, total, [](double x, double y) { return x + y; });
  // Masses as multiples of 2^-62 of the next power of two above the total: finer than float64 sums.
  const int exponent = 62 - (ilogb(total) + 1);
  auto mass = [&](float v) {
    return static_cast<Mass>(__double2ull_rn(scalbn(weight(v, top), exponent)));
  };
  const double wanted = scalbn(p * total, exponent);
  const Mass target = wanted > 1 ? __double2ull_ru(wanted) : 1;
  // All ids below this are less than half of the 1 - p that the nucleus may leave out.
  const double rest = (1 - (p > 0 ? p : 0)) * total / (2.0 * a.rows.n);
  const float least = static_cast<float>(log(rest)) - 0.01f;
  const auto boundary = find_boundary(
      team, selection, range, target, [&](float v) { return v - top >= least; }, mass);
  if (!boundary.reached) {
    copy_slice(a.rows, team);
  } else {
    const Mass each = mass(key_value(boundary.key));
    const Mass keep = (target - boundary.above + each - 1) / each;
    const int cut = tie_cut(team, selection, boundary.key, static_cast<int64_t>(keep));
    write_slice(a.rows, team, [&](int i, float v) {
      const uint32_t key = order_key(v);
      return key > boundary.key || (key == boundary.key && i <= cut) ? v : -INFINITY;
    });
  }
  team.sync();
}

TopPArgs fill(const LaunchArgs& args) {
  TopPArgs a = {};
  a.p = args.inputs[1].as<const float>();
  return a;
}

}  // namespace kernel_logits_top_p

// The nucleus by descent through histograms of masses.
const KernelDef& logits_top_p_kernel() {
  using namespace kernel_logits_top_p;
  static const KernelDef kernel = {.name = "logits_top_p",
                                   .op = "logits_top_p",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 10,
                                   .supports = team_supports,
                                   .prepare = team_instance<TopPArgs, top_p_rows, fill, true>};
  return kernel;
}

}  // namespace ingot::cuda
