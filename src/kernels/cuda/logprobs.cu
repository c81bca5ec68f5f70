#include "kernels/cuda/arch/row_select.cuh"

namespace ingot::cuda {
namespace kernel_logprobs {

constexpr int kMostTop = 1024;

struct LogprobsArgs {
  static constexpr const char* kName = "logprobs";
  TeamRows rows;
  const int32_t* tokens;
  float* chosen;
  int32_t* ids;
  float* values;
  int64_t ids_stride, values_stride;  // elements
  int top;
};

struct Shared {
  TeamSlot<RowRange> range;
  TeamSlot<double> sums;
  Selection<unsigned> selection;
  unsigned long long entries[kMostTop];  // the first block's: of the whole team, unordered
  int count;
};

__device__ void write_faulty(const LogprobsArgs& a, const Team& team) {
  if (team.rank != 0) return;
  if (threadIdx.x == 0) a.chosen[team.row] = NAN;
  for (int i = threadIdx.x; i < a.top; i += kTeamThreads) {
    a.ids[team.row * a.ids_stride + i] = -1;
    a.values[team.row * a.values_stride + i] = -INFINITY;
  }
}

// The `want` best of the row into the first block's entries.
__device__ void collect(const Team& team, Shared& s, const RowRange& range, int want) {
  Boundary<unsigned> boundary = {kLeastKey, 0, false};
  if (range.top >= range.bottom) {
    boundary = find_boundary(
        team, s.selection, range, static_cast<unsigned>(want),
        [](float v) { return v != -INFINITY; }, [](float) { return 1u; });
  }
  // Within `above` are fewer than `want`: in a row that holds less, -infinity fills up.
  const int cut = tie_cut(team, s.selection, boundary.key, want - boundary.above);
  int* count = team.peer(&s.count, 0);
  unsigned long long* entries = team.peer(s.entries, 0);
  visit_slice(team, [&](int i, float v) {
    const uint32_t key = order_key(v);
    if (key < boundary.key || (key == boundary.key && i > cut)) return;
    const int at = atomicAdd(count, 1);
    if (at < want) entries[at] = entry_of(v, team.begin + i);
  });
  team.sync();
}

__global__ void __launch_bounds__(kTeamThreads) logprobs_rows(LogprobsArgs a) {
  __shared__ Shared s;
  Team team(a.rows);
  if (threadIdx.x == 0) s.count = 0;
  RowRange range = RowRange::none();
  load_slice(a.rows, team, true, [&](int, float v) { range.add(v); });
  range = team_reduce(team, s.range, range, RowRange::Merge());
  if (range.faulty) {
    write_faulty(a, team);
    team.sync();
    return;
  }
  // NaN where nothing is finite, as in the reference.
  const auto top = static_cast<double>(range.top);
  double total = 0;
  visit_slice(team, [&](int, float v) { total += exp(static_cast<double>(v) - top); });
  total = team_reduce(team, s.sums, total, [](double x, double y) { return x + y; });
  const double log_total = top + log(total);
  if (team.rank == 0 && threadIdx.x == 0) {
    const int token = a.tokens[team.row];
    const bool known = token >= 0 && token < a.rows.n;
    const float v = known ? a.rows.x[team.row * a.rows.x_stride + token] : NAN;
    a.chosen[team.row] = static_cast<float>(static_cast<double>(v) - log_total);
  }
  if (a.top > 0) {
    const int want = min(a.top, a.rows.n);
    collect(team, s, range, want);
    for (int i = threadIdx.x; i < a.top && team.rank == 0; i += kTeamThreads) {
      int rank = i;
      int id = -1;
      float value = -INFINITY;
      if (i < want) {
        const unsigned long long entry = s.entries[i];
        rank = 0;
        for (int j = 0; j < want; ++j) rank += s.entries[j] > entry;
        id = candidate_id(entry);
        value = static_cast<float>(static_cast<double>(candidate_value(entry)) - log_total);
      }
      a.ids[team.row * a.ids_stride + rank] = id;
      a.values[team.row * a.values_stride + rank] = value;
    }
  }
  team.sync();
}

LogprobsArgs fill(const LaunchArgs& args) {
  LogprobsArgs a = {};
  a.tokens = args.inputs[1].as<const int32_t>();
  a.chosen = args.outputs[0].as<float>();
  a.top = static_cast<int>(args.outputs[1].columns());
  a.ids = args.outputs[1].as<int32_t>();
  a.values = args.outputs[2].as<float>();
  a.ids_stride = row_elements(args.outputs[1]);
  a.values_stride = row_elements(args.outputs[2]);
  return a;
}

std::string supports(const KernelDesc& desc) {
  if (attr_or<int64_t>(desc.attrs, "top", 0) > kMostTop) return "more than 1024 best ids";
  return team_supports(desc);
}

}  // namespace kernel_logprobs

// Sums in float64; the best ids by descent through histograms of counts, then ranked.
const KernelDef& logprobs_kernel() {
  using namespace kernel_logprobs;
  static const KernelDef kernel = {
      .name = "logprobs",
      .op = "logprobs",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = supports,
      .prepare = team_instance<LogprobsArgs, logprobs_rows, fill, false>};
  return kernel;
}

}  // namespace ingot::cuda
