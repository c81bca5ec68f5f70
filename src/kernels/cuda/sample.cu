#include "kernels/cuda/arch/row_keys.cuh"
#include "kernels/cuda/arch/row_team.cuh"
#include "ops/contract/logits_args.h"

namespace ingot::cuda {
namespace kernel_sample {

struct SampleArgs {
  static constexpr const char* kName = "sample";
  TeamRows rows;
  const float* temperature;
  const int64_t* seeds;
  const int64_t* positions;
  int32_t* out;
};

// As random_unit() of base/random.h.
__device__ double unit(uint64_t seed, uint64_t counter) {
  uint64_t z = seed + 0x9e3779b97f4a7c15ull * (counter + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

__device__ double weight(float v, float peak) {
  return v == -INFINITY ? 0.0 : exp(static_cast<double>(v) - static_cast<double>(peak));
}

struct Shared {
  TeamSlot<unsigned long long> best;
  double segments[kTeamWarps];  // mass of each warp's part of the slice
  double mass;                  // of the slice
  double scan[kTeamWarps];
  int first, last;
};

// Mass of each warp's part of the slice, in one order for all launches. The barrier at its end is
// the team's.
__device__ void sum_segments(const Team& team, Shared& s, int segment, float peak) {
  const int warp = threadIdx.x / 32;
  const int end = min(team.count, (warp + 1) * segment);
  double sum = 0;
#pragma unroll 4
  for (int i = warp * segment + static_cast<int>(threadIdx.x % 32); i < end; i += 32) {
    sum += weight(team.x[i], peak);
  }
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) sum += __shfl_xor_sync(~0u, sum, mask);
  if (threadIdx.x % 32 == 0) s.segments[warp] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    s.first = INT_MAX;
    s.last = -1;
    double mass = 0;
    for (int w = 0; w < kTeamWarps; ++w) mass += s.segments[w];
    s.mass = mass;
  }
  team.sync();
}

// The first id of elements [begin, end) of the slice at which the running sum, `before` in front of
// them, passes the target; the last one with mass where rounding leaves the sum below it.
__device__ int search(const Team& team, Shared& s, int begin, int end, double before, double target,
                      float peak) {
  const int lane = threadIdx.x % 32;
  const int share = (end - begin + kTeamThreads - 1) / kTeamThreads;
  const int from = begin + static_cast<int>(threadIdx.x) * share;
  const int to = min(end, from + share);
  double own = 0;
  for (int i = from; i < to; ++i) own += weight(team.x[i], peak);
  double upto = own;
#pragma unroll
  for (int d = 1; d < 32; d *= 2) {
    const double other = __shfl_up_sync(~0u, upto, d);
    if (lane >= d) upto += other;
  }
  double ahead = __shfl_up_sync(~0u, upto, 1);
  if (lane == 0) ahead = 0;
  if (lane == 31) s.scan[threadIdx.x / 32] = upto;
  __syncthreads();
  double sum = before;
  for (int w = 0; w < static_cast<int>(threadIdx.x) / 32; ++w) sum += s.scan[w];
  sum += ahead;
  int first = INT_MAX, last = -1;
  for (int i = from; i < to; ++i) {
    const double mass = weight(team.x[i], peak);
    if (mass == 0) continue;
    sum += mass;
    last = i;
    if (sum > target) {
      first = i;
      break;
    }
  }
  first = __reduce_min_sync(~0u, first);
  last = __reduce_max_sync(~0u, last);
  if (lane == 0) {
    atomicMin(&s.first, first);
    atomicMax(&s.last, last);
  }
  __syncthreads();
  return s.first != INT_MAX ? s.first : s.last;
}

__global__ void __launch_bounds__(kTeamThreads) sample_rows(SampleArgs a) {
  __shared__ Shared s;
  Team team(a.rows);
  const float temperature = a.temperature[team.row];
  const bool greedy = temperature < kGreedyTemperature;
  unsigned long long best = 0;
  load_slice(a.rows, team, !greedy, [&](int i, float v) {
    const unsigned long long candidate = candidate_of(v, team.begin + i);
    best = candidate > best ? candidate : best;
  });
  best = team_reduce(team, s.best, best,
                     [](unsigned long long p, unsigned long long q) { return p > q ? p : q; });
  const bool none = best == 0 || best == kFaultyCandidate;
  if (none || greedy) {
    if (team.rank == 0 && threadIdx.x == 0) a.out[team.row] = none ? -1 : candidate_id(best);
    team.sync();
    return;
  }
  const float peak = candidate_value(best);
  const int segment = (a.rows.slice + kTeamWarps - 1) / kTeamWarps;
  sum_segments(team, s, segment, peak);
  double total = 0;
  for (int r = 0; r < team.size; ++r) total += *team.peer(&s.mass, r);
  const double target =
      unit(static_cast<uint64_t>(a.seeds[team.row]), static_cast<uint64_t>(a.positions[team.row])) *
      total;
  // The same sums again, so that exactly one block finds the target in its slice.
  double before = 0;
  int owner = 0;
  for (int r = 0; r < team.size; ++r) {
    const double after = before + *team.peer(&s.mass, r);
    owner = r;
    if (after > target) break;
    before = after;
  }
  if (owner == team.rank) {
    int w = 0;
    int most = 0;  // the last segment with mass
    for (; w < kTeamWarps; ++w) {
      if (s.segments[w] > 0) most = w;
      if (before + s.segments[w] > target) break;
      before += s.segments[w];
    }
    if (w == kTeamWarps) {  // rounding
      w = most;
      before -= s.segments[w];
    }
    const int end = min(team.count, (w + 1) * segment);
    const int id = search(team, s, w * segment, end, before, target, peak);
    if (threadIdx.x == 0) a.out[team.row] = team.begin + id;
  }
  team.sync();
}

SampleArgs fill(const LaunchArgs& args) {
  SampleArgs a = {};
  a.temperature = args.inputs[1].as<const float>();
  a.seeds = args.inputs[2].as<const int64_t>();
  a.positions = args.inputs[3].as<const int64_t>();
  a.out = args.outputs[0].as<int32_t>();
  return a;
}

}  // namespace kernel_sample

// The reference's draw: masses in float64 whose partial sums are taken in one order, so that a row
// gives one id whatever else is drawn. Its sums may differ from the reference's by rounding.
const KernelDef& sample_kernel() {
  using namespace kernel_sample;
  static const KernelDef kernel = {.name = "sample",
                                   .op = "sample",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 10,
                                   .supports = team_supports,
                                   .prepare = team_instance<SampleArgs, sample_rows, fill, false>};
  return kernel;
}

}  // namespace ingot::cuda
