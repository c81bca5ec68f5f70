#include "kernels/cuda/arch/row_select.cuh"

namespace ingot::cuda {
namespace kernel_logits_top_k {

struct TopKArgs {
  static constexpr const char* kName = "logits_top_k";
  TeamRows rows;
  const int32_t* k;
};

__global__ void __launch_bounds__(kTeamThreads) top_k_rows(TopKArgs a) {
  __shared__ Selection<unsigned> selection;
  __shared__ TeamSlot<RowRange> slot;
  Team team(a.rows);
  const int k = a.k[team.row];
  if (k <= 0 || k >= a.rows.n) {
    copy_slice(a.rows, team);
    return;
  }
  RowRange range = RowRange::none();
  load_slice(a.rows, team, true, [&](int, float v) { range.add(v); });
  range = team_reduce(team, slot, range, RowRange::Merge());
  if (range.faulty || range.top < range.bottom) {
    copy_slice(a.rows, team);
  } else {
    const auto boundary = find_boundary(
        team, selection, range, static_cast<unsigned>(k), [](float v) { return v != -INFINITY; },
        [](float) { return 1u; });
    write_slice(a.rows, team,
                [&](int, float v) { return order_key(v) < boundary.key ? -INFINITY : v; });
  }
  team.sync();
}

TopKArgs fill(const LaunchArgs& args) {
  TopKArgs a = {};
  a.k = args.inputs[1].as<const int32_t>();
  return a;
}

}  // namespace kernel_logits_top_k

// The k-th logit by descent through histograms of counts.
const KernelDef& logits_top_k_kernel() {
  using namespace kernel_logits_top_k;
  static const KernelDef kernel = {.name = "logits_top_k",
                                   .op = "logits_top_k",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 10,
                                   .supports = team_supports,
                                   .prepare = team_instance<TopKArgs, top_k_rows, fill, true>};
  return kernel;
}

}  // namespace ingot::cuda
