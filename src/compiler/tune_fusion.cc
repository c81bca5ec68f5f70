#include "compiler/tune_fusion.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <new>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "base/progress.h"
#include "compiler/tune_operands.h"
#include "compiler/tune_tilings.h"

namespace ingot {
namespace {

constexpr size_t kRuns = 6;
// Long sequences stop earlier, once each ran kFewestRuns times.
constexpr size_t kFewestRuns = 3;
constexpr double kEnoughMicroseconds = 300e3;
// Rounds of a run: as many as take so long, but kFewRounds of what is not long itself, so that
// differences of a hundredth show.
constexpr double kRunMicroseconds = 2500;
constexpr double kLongRunMicroseconds = 8000;
constexpr size_t kFewRounds = 8;
constexpr size_t kFewestRounds = 2;
constexpr size_t kMostRounds = 64;
constexpr double kGiveUpFactor = 1.3;  // behind the fastest, after two runs
constexpr double kLeastMicroseconds = 0.1;
constexpr int kVersion = 1;  // of how sequences are timed; beside TimingCache::kTimed

struct Sequence {
  struct Step {
    const TilingStep* step;
    KernelInstance* instance;
    TuneOperands* operands;
  };
  std::vector<const TilingStep*> order;
  std::vector<Step> steps;
  std::string key;
  std::string failed;  // why it takes no part
  std::unique_ptr<CapturedGraph> graph;
  std::vector<double> microseconds;
  bool dropped = false;  // takes no further runs
};

std::string ops_of(const std::vector<const TilingStep*>& steps) {
  std::string out;
  for (const TilingStep* step : steps) out += (out.empty() ? "" : " + ") + step->desc.op;
  return out;
}

// Times the tilings of one group; its operands live as long as it does.
class GroupTimer {
 public:
  GroupTimer(TuneBench& bench, const FusionGroup& group) : bench_(bench), group_(group) {
    for (const std::vector<size_t>& tiling : group.tilings) {
      Sequence& sequence = sequences_.emplace_back();
      sequence.order = tiling_steps(group, tiling);
      sequence.key = key_of(sequence.order);
    }
  }

  // Fills times(), from the cache where it knows all of them.
  void measure() {
    if (recall()) return;
    if (bench_.out_of_time()) return;
    try {
      prepare();
      run();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kOutOfMemory) throw;
      bench_.stream->synchronize();  // what was queued names the operands
      note_ = fmt::format("not timed: {}", error.what());
      for (Sequence& sequence : sequences_) sequence.microseconds.clear();
      return;
    }
    for (const Sequence& sequence : sequences_) {
      const bool timed = !sequence.microseconds.empty();
      if (timed) ++bench_.report.timed;
      if (!bench_.timings || (!timed && sequence.failed.empty())) continue;
      bench_.timings->put(sequence.key,
                          timed ? lower_quartile(sequence.microseconds) : TimingCache::kRefused);
    }
  }

  // By tiling, 0 where there is none.
  std::vector<double> times() const {
    std::vector<double> out;
    out.reserve(sequences_.size());
    for (const Sequence& sequence : sequences_) {
      out.push_back(lower_quartile(sequence.microseconds));
    }
    return out;
  }

  Json details() const {
    Json out = {{"in_place", ops_of(tiling_steps(group_, {}))},
                {"desc", group_.plain[0].text},
                {"layers", group_.members}};
    for (size_t t = 0; t < sequences_.size(); ++t) {
      const Sequence& sequence = sequences_[t];
      Json item = {{"runs", ops_of(sequence.order)}, {"fused", Json::array()}};
      for (size_t f : group_.tilings[t]) item["fused"].push_back(group_.fused[f].op);
      if (!sequence.microseconds.empty()) item["us"] = lower_quartile(sequence.microseconds);
      if (!sequence.failed.empty()) item["failed"] = sequence.failed;
      out["tilings"].push_back(std::move(item));
    }
    if (!note_.empty()) out["note"] = note_;
    return out;
  }

 private:
  std::string key_of(const std::vector<const TilingStep*>& steps) const {
    std::string text;
    for (const TilingStep* step : steps) {
      const KernelDef& kernel = *step->selection.kernel;
      text += fmt::format("{} v{} {} | {}\n", kernel_name(kernel), kernel.version,
                          step->selection.tactic, step->text);
    }
    return TimingCache::key(bench_.device.identity(), "fused steps in place", kVersion,
                            ops_of(steps), hash128(text).hex());
  }

  bool recall() {
    if (!bench_.timings) return false;
    std::vector<double> known;
    for (Sequence& sequence : sequences_) {
      const auto found = bench_.timings->find(sequence.key);
      if (found == TimingCache::kRefused) {
        sequence.failed = "it failed when it was timed (timing cache)";
      }
      if (found) known.push_back(*found);
    }
    if (known.size() < sequences_.size()) return false;
    for (size_t i = 0; i < known.size(); ++i) {
      ++bench_.report.cached;
      if (known[i] > 0) sequences_[i].microseconds = {known[i]};
    }
    return true;
  }

  template <class F>
  void attempt(Sequence& sequence, F&& work) {
    if (!sequence.failed.empty()) return;
    try {
      work();
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kOutOfMemory) throw;
      fail(sequence, error.what());
    } catch (const std::bad_alloc& error) {
      throw Error(ErrorCode::kOutOfMemory, error.what());
    } catch (const std::exception& error) {
      fail(sequence, error.what());
    }
  }
  void fail(Sequence& sequence, std::string_view reason) {
    sequence.failed = reason;
    sequence.microseconds.clear();
    spdlog::warn("tuner skips {}: {}", ops_of(sequence.order), reason);
    bench_.check_alive(sequence.key, ops_of(sequence.order));
  }

  KernelInstance& instance_of(const TilingStep& step) {
    std::unique_ptr<KernelInstance>& instance = instances_[step.text];
    if (!instance) instance = step.selection.kernel->prepare(step.desc, step.selection.tactic);
    return *instance;
  }

  // Steps of one descriptor and the same values have operands in common, whichever fused step they
  // are of.
  TuneOperands& operands_of(const TilingStep& step) {
    std::unique_ptr<Operands>& operands = operands_[{step.text, step.steps[0]->inputs}];
    if (!operands) operands = std::make_unique<Operands>(bench_, step);
    return operands->operands;
  }

  void prepare() {
    size_t workspace = 0;
    for (Sequence& sequence : sequences_) {
      attempt(sequence, [&] {
        for (const TilingStep* step : sequence.order) {
          KernelInstance& instance = instance_of(*step);
          workspace = std::max(workspace, instance.workspace_bytes());
          sequence.steps.push_back({step, &instance, &operands_of(*step)});
        }
      });
    }
    bench_.reserve(workspace);
  }

  // Round number i takes layer i's weights at every step.
  void enqueue(Sequence& sequence, size_t rounds, bool neighbour) {
    for (size_t round = 0; round < rounds; ++round) {
      for (const Sequence::Step& step : sequence.steps) {
        bench_.enqueue(*step.instance, step.operands->args(step.step->selection, round));
      }
      if (neighbour) bench_.neighbour.launch();
    }
  }

  size_t rounds_for(double microseconds) const {
    const double once = std::max(1.0, microseconds);
    double rounds = std::ceil(kRunMicroseconds / once);
    if (once * kFewRounds <= kLongRunMicroseconds) rounds = std::max<double>(rounds, kFewRounds);
    return static_cast<size_t>(std::clamp<double>(rounds, kFewestRounds, kMostRounds));
  }

  double time(Sequence& sequence, size_t rounds) {
    const double all = bench_.time([&] {
      if (sequence.graph) {
        sequence.graph->replay(*bench_.stream);
      } else {
        enqueue(sequence, rounds, false);
      }
    });
    const double once = all / static_cast<double>(rounds);
    if (!sequence.graph) return once;
    return std::max(kLeastMicroseconds, once - bench_.neighbour.microseconds(*bench_.timer));
  }

  // Graphs for all of them or for none, or gaps between launches would be compared with none.
  bool capturable() const {
    if (bench_.device.host_visible()) return false;
    return std::all_of(sequences_.begin(), sequences_.end(), [](const Sequence& sequence) {
      return !sequence.failed.empty() ||
             std::all_of(sequence.order.begin(), sequence.order.end(),
                         [](const TilingStep* step) { return step->selection.kernel->capturable; });
    });
  }

  void run() {
    Sequence& plain = sequences_.front();
    double once = 0;
    attempt(plain, [&] {
      enqueue(plain, 1, false);  // loads code, uploads or packs weights
      once = time(plain, 1);
    });
    if (!plain.failed.empty()) return;
    const size_t rounds = rounds_for(once);
    const bool graphs = capturable();
    for (Sequence& sequence : sequences_) {
      attempt(sequence, [&] {
        // What kernels make on their first launch with an operand (library plans) is made now.
        enqueue(sequence, rounds, false);
        bench_.stream->synchronize();
        if (graphs) sequence.graph = bench_.capture([&] { enqueue(sequence, rounds, true); });
      });
    }
    race(rounds);
    for (Sequence& sequence : sequences_) sequence.graph.reset();
  }

  void race(size_t rounds) {
    const Stopwatch watch;
    for (size_t run = 0; run < kRuns; ++run) {
      if (run >= kFewestRuns && watch.ms() * 1e3 > kEnoughMicroseconds) return;
      for (size_t i = 0; i < sequences_.size(); ++i) {
        Sequence& sequence = sequences_[(run + i) % sequences_.size()];
        if (sequence.dropped) continue;
        attempt(sequence, [&] { sequence.microseconds.push_back(time(sequence, rounds)); });
      }
      if (run == 1) drop_slow();
    }
  }

  void drop_slow() {
    double fastest = 1e30;
    for (const Sequence& sequence : sequences_) {
      if (sequence.microseconds.empty()) continue;
      fastest = std::min(fastest, lower_quartile(sequence.microseconds));
    }
    for (Sequence& sequence : sequences_) {
      sequence.dropped = lower_quartile(sequence.microseconds) > kGiveUpFactor * fastest;
    }
  }

  // One step's, in memory of their own: those of a sequence live together.
  struct Operands {
    Operands(TuneBench& bench, const TilingStep& step)
        : job{step.desc, step.steps},
          memory(bench.device, *bench.stream),
          operands(job, bench.engine, bench.device, *bench.stream, bench.weights, memory) {}
    const TuneJob job;
    TuneMemory memory;
    TuneOperands operands;
  };

  TuneBench& bench_;
  const FusionGroup& group_;
  std::vector<Sequence> sequences_;  // by tiling
  std::map<std::string, std::unique_ptr<KernelInstance>> instances_;
  std::map<std::pair<std::string, std::vector<int>>, std::unique_ptr<Operands>> operands_;
  std::string note_;
};

}  // namespace

void tune_fusion(TuneBench& bench, const std::vector<FusedStep>& fused,
                 const std::map<std::string, KernelChoice>& proposals, DeviceSection& section) {
  for (bool invariant : {false, true}) {
    const std::vector<FusionGroup> groups = fusion_groups(
        bench.engine.plan, fused, section, proposals, bench.weights, bench.device, invariant);
    if (groups.empty()) continue;
    Progress progress("tuning fused steps", static_cast<int64_t>(groups.size()), "groups");
    std::vector<std::vector<double>> times(groups.size());
    std::vector<Json> details(groups.size());
    std::exception_ptr lost;
    for (size_t g = 0; g < groups.size() && !lost; ++g) {
      progress.add(1);
      try {
        GroupTimer timer(bench, groups[g]);
        timer.measure();
        times[g] = timer.times();
        details[g] = timer.details();
      } catch (const DeviceLost&) {
        lost = std::current_exception();
      }
    }
    const std::set<std::string> chosen = choose_tilings(groups, times);
    for (const std::string& text : chosen) section.choices[text] = proposals.at(text);
    for (size_t g = 0; g < groups.size(); ++g) {
      if (details[g].is_null()) continue;
      details[g]["winner"] = ops_of(tiling_steps(groups[g], taken_tiling(groups[g], chosen)));
      bench.report.details.push_back(std::move(details[g]));
    }
    if (lost) std::rethrow_exception(lost);
  }
}

}  // namespace ingot
