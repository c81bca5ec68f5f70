#include "compiler/tune.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <new>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/progress.h"
#include "compiler/tune_bench.h"
#include "compiler/tune_fusion.h"
#include "compiler/tune_jobs.h"
#include "compiler/tune_operands.h"
#include "kernels/reference.h"

namespace ingot {
namespace {

constexpr size_t kRuns = 6;  // interleaved, so that a slow moment hits every candidate alike
constexpr size_t kProposalRuns = 3;  // of what is timed again in its place
// Runs of long shapes repeat less: a descriptor stops at kEnough once each candidate ran twice.
constexpr double kEnoughMicroseconds = 40e3;
// Stands for the time of the reference where it is the last resort: it is not measured.
constexpr double kReferenceMicroseconds = 1e6;
// Candidates this much slower than the fastest are dropped: after two runs, and after the first
// (which warms up) where it is long enough to mean something. Short ones cost nothing and run on,
// but for those in graphs, which are as long as others' and as exact.
constexpr double kGiveUpFactor = 1.5;
constexpr double kShortMicroseconds = 200;
constexpr double kGiveUpAtOnceFactor = 2.5;
constexpr double kLongMicroseconds = 20e3;  // several time slices of a busy machine
// With this many rows the work is in the arithmetic, and more rows change no ratio: a candidate
// that is kHopelessFactor slower, and that heuristics rank lower too, is not tried on the next
// bucket of the same step.
constexpr int64_t kSteadyRows = 32;
constexpr double kHopelessFactor = 2;
constexpr double kShortestRatioMicroseconds = 10;
// Candidates compute the same thing in other orders: 2 % of the largest value covers 16-bit
// activations; a wrong kernel is off by far more.
constexpr double kMaxDisagreement = 0.02;
constexpr double kMostOtherIds = 0.1;  // of an integer output's elements
// Launches that one device graph holds: enough to drown its start, over different weights.
constexpr double kGraphMicroseconds = 1500;
constexpr double kLeastMicroseconds = 0.1;  // of one that hides behind its neighbours
constexpr size_t kFewestLaunches = 3;
constexpr size_t kManyLaunches = 16;  // of short kernels without weights
constexpr size_t kMostLaunches = 64;
// Kernels of fused steps are of no use before they are timed in their place.
constexpr double kKernelShare = 0.75;
// A step that would take longer with its next longer context alone keeps the choice of this one.
constexpr double kTooLongMicroseconds = 8e3;

bool agree(const OutputSample& a, const OutputSample& b) {
  if (a.values.size() != b.values.size()) return false;
  if (a.exact) {
    // Ids of equal or nearly equal scores may differ.
    size_t others = 0;
    for (size_t i = 0; i < a.values.size(); ++i) others += a.values[i] != b.values[i];
    return static_cast<double>(others) <= kMostOtherIds * static_cast<double>(a.values.size());
  }
  double largest = 0, difference = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    const double x = a.values[i], y = b.values[i];
    largest = std::isfinite(x) ? std::max(largest, std::fabs(x)) : largest;
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    if (!std::isfinite(x) || !std::isfinite(y)) return false;
    difference = std::max(difference, std::fabs(x - y));
  }
  return difference <= kMaxDisagreement * largest + 1e-6;
}

bool agree(const std::vector<OutputSample>& a, const std::vector<OutputSample>& b) {
  bool out = a.size() == b.size();
  for (size_t i = 0; out && i < a.size(); ++i) out = agree(a[i], b[i]);
  return out;
}

struct Measured {
  Selection candidate;
  std::unique_ptr<KernelInstance> instance;
  std::vector<double> microseconds;
  bool dropped = false;                  // takes no further runs
  bool hopeless = false;                 // not run at all: see kHopelessFactor
  bool no_memory = false;                // dropped for want of memory: another build may have it
  std::unique_ptr<CapturedGraph> graph;  // `launches` of them, over as many sets of weights
  size_t launches = 1;
  double best() const { return lower_quartile(microseconds); }
};

class Tuner {
 public:
  Tuner(const Engine& engine, Device& device, TimingCache* timings, double seconds,
        TuneReport& report)
      : bench_(engine, device, timings, seconds, report), memory_(device, *bench_.stream) {}

  DeviceSection run() {
    const Plan& plan = bench_.engine.plan;
    TuneReport& report = bench_.report;
    DeviceSection section;
    section.device = bench_.device.identity();
    const std::vector<FusedStep> fused = find_fused_steps(plan, bench_.device.kind());
    const std::vector<TuneJob> jobs =
        tune_jobs(plan, fused, bench_.weights, bench_.device.capability());
    Progress progress("tuning kernels", static_cast<int64_t>(jobs.size()), "descriptors");
    report.descriptors = static_cast<int>(jobs.size());
    report.details = Json::array();
    if (!fused.empty()) share_ = kKernelShare;
    try {
      for (const TuneJob& job : jobs) {
        progress.add(1);
        tune_job(job, job.in_plan ? section.choices : proposals_);
      }
      memory_.release();  // sequences have operands of their own, side by side
      tune_fusion(bench_, fused, proposals_, section);
    } catch (const DeviceLost& lost) {
      report.stopped = lost.what();
      spdlog::warn("tuning stops, heuristics choose the remaining kernels: {}", lost.what());
    }
    report.milliseconds = bench_.watch.ms();
    return section;
  }

 private:
  using Choices = std::map<std::string, KernelChoice>;  // by descriptor
  // What a step of so many rows took with a shorter context.
  struct Shorter {
    const TuneJob* job;
    double microseconds;
  };

  void tune_job(const TuneJob& job, Choices& choices) {
    std::vector<std::string> rejected;
    std::vector<Measured> measured;
    for (Selection& candidate : candidates(job.desc, bench_.device.kind(), &rejected)) {
      measured.emplace_back();
      measured.back().candidate = std::move(candidate);
    }
    const bool by_reference = measured.front().candidate.kernel == &reference_kernel();
    // A fused step is there to be faster than what it stands for, never as a last resort.
    if (!job.in_plan && by_reference) return;
    // Fused steps run where all of their steps have a choice that was measured.
    if (measured.size() > 1 || (job.in_fused && !by_reference)) {
      if (take_over(job, choices)) return;
      measure(job, measured, rejected);
    }
    record(job, measured, rejected, choices);
  }

  // Long contexts of many rows cost seconds to run and change no ranking.
  bool take_over(const TuneJob& job, Choices& choices) {
    const auto last = shorter_.find(job.steps.front());
    if (last == shorter_.end()) return false;
    const KernelDesc& from = last->second.job->desc;
    if (from.inputs[0].shape != job.desc.inputs[0].shape) return false;
    double growth = 1;
    for (size_t i = 0; i < from.inputs.size(); ++i) {
      const double before = static_cast<double>(element_count(from.inputs[i].shape));
      const double now = static_cast<double>(element_count(job.desc.inputs[i].shape));
      if (before > 0) growth = std::max(growth, now / before);
    }
    const double expected = last->second.microseconds * growth;
    if (expected <= kTooLongMicroseconds) return false;
    KernelDesc source = from;
    KernelDesc target = job.desc;
    for (bool invariant : {false, true}) {
      source.invariant = target.invariant = invariant;
      const auto known = choices.find(source.text());
      if (known == choices.end()) continue;
      KernelChoice choice = known->second;
      choice.microseconds = 0;
      choices[target.text()] = std::move(choice);
    }
    shorter_[job.steps.front()] = {&job, expected};
    bench_.report.details.push_back(
        {{"desc", job.desc.text()},
         {"taken_over", fmt::format("a run would take {:.0f} ms: the choice is that of {}",
                                    expected * 1e-3, from.text())}});
    return true;
  }

  std::string key(const TuneJob& job, const Selection& candidate) const {
    const KernelDef& kernel = *candidate.kernel;
    return TimingCache::key(bench_.device.identity(), kernel_name(kernel), kernel.version,
                            candidate.tactic, job.desc.text());
  }

  void measure(const TuneJob& job, std::vector<Measured>& measured,
               std::vector<std::string>& rejected) {
    if (!recall(job, measured, rejected)) {
      if (bench_.out_of_time(share_)) return;
      for (Measured& m : measured) m.hopeless = beaten(job, m.candidate) > kHopelessFactor;
      try {
        time_all(job, measured, rejected);
      } catch (const Error& error) {  // operands of large limits may not fit beside the weights
        if (error.code() != ErrorCode::kOutOfMemory) throw;
        rejected.push_back(fmt::format("not timed: {}", error.what()));
        for (Measured& m : measured) m.microseconds.clear();
        return;
      }
      for (Measured& m : measured) {
        if (m.hopeless) {
          rejected.push_back(fmt::format("{}: {:.1f} times the fastest with fewer rows",
                                         name(m.candidate), beaten(job, m.candidate)));
        }
        if (!bench_.timings || m.no_memory) continue;
        const double value = m.hopeless               ? TimingCache::kHopeless
                             : m.microseconds.empty() ? TimingCache::kRefused
                                                      : m.best();
        bench_.timings->put(key(job, m.candidate), value);
      }
    }
    settle(job, measured);
    remember(job, measured);
  }

  // True when the timing cache knows all candidates.
  bool recall(const TuneJob& job, std::vector<Measured>& measured,
              std::vector<std::string>& rejected) {
    bool all_known = bench_.timings != nullptr;
    for (const Measured& m : measured) {
      all_known = all_known && bench_.timings->find(key(job, m.candidate)).has_value();
    }
    if (!all_known) {
      // One that failed is not tried again: it may take the device with it.
      for (Measured& m : measured) {
        if (bench_.timings &&
            bench_.timings->find(key(job, m.candidate)) == TimingCache::kRefused) {
          drop(m, rejected, "it failed when it was timed (timing cache)");
        }
      }
      return false;
    }
    for (Measured& m : measured) {
      const double known = *bench_.timings->find(key(job, m.candidate));
      ++bench_.report.cached;
      if (known == TimingCache::kRefused) {
        drop(m, rejected, "it failed when it was timed (timing cache)");
      } else if (known == TimingCache::kHopeless) {
        m.hopeless = true;
      } else {
        m.microseconds = {known};
      }
    }
    return true;
  }

  // Keeps how many times the fastest each candidate took, for the next bucket of the same steps.
  void remember(const TuneJob& job, const std::vector<Measured>& measured) {
    double fastest = 1e30;
    for (const Measured& m : measured) {
      if (!m.microseconds.empty()) fastest = std::min(fastest, m.best());
    }
    const Shape shape = job.desc.inputs.empty() ? Shape{} : job.desc.inputs[0].shape;
    if (fastest < kReferenceMicroseconds && !shape.empty()) {
      shorter_[job.steps.front()] = {&job, fastest};
    }
    if (shape.empty() || shape[0] < kSteadyRows) return;
    // What is left of short times without their neighbours' makes large ratios of small
    // differences.
    if (bench_.neighbour.present() && fastest < kShortestRatioMicroseconds) return;
    std::map<std::string, double>& ratios = ratios_[job.steps.front()];
    const Measured* invariant = nullptr;  // the fastest that invariant mode may use has a race too
    for (const Measured& m : measured) {
      if (m.microseconds.empty() || !m.candidate.kernel->invariant) continue;
      if (!invariant || m.best() < invariant->best()) invariant = &m;
    }
    bool behind = false;  // candidates come in the heuristics' order
    for (const Measured& m : measured) {
      if (m.microseconds.empty()) continue;
      if (behind && &m != invariant) ratios[name(m.candidate)] = m.best() / fastest;
      behind |= m.best() == fastest;
    }
  }
  double beaten(const TuneJob& job, const Selection& candidate) const {
    auto known = ratios_.find(job.steps.front());
    if (known == ratios_.end()) return 0;
    auto ratio = known->second.find(name(candidate));
    return ratio == known->second.end() ? 0 : ratio->second;
  }
  static std::string name(const Selection& candidate) {
    return fmt::format("{} {}", candidate.kernel->name, candidate.tactic);
  }

  // Where every fast candidate failed, the reference runs the step: left to heuristics, binding
  // would take one of the failed ones. One that only lacked memory while it was timed is not one.
  static void settle(const TuneJob& job, std::vector<Measured>& measured) {
    for (const Measured& m : measured) {
      if (!m.microseconds.empty() || m.no_memory) return;
    }
    if (get_op(job.desc.op).control_flow || !job.in_plan) return;
    measured.emplace_back();
    measured.back().candidate = {&reference_kernel(), "", false};
    measured.back().microseconds = {kReferenceMicroseconds};
  }

  // Candidates that disagree are judged by the operator's definition, which is slow: it runs only
  // then.
  void judge(const TuneJob& job, TuneOperands& operands,
             const std::vector<std::vector<OutputSample>>& results, std::vector<Measured>& measured,
             std::vector<std::string>& rejected) {
    const std::vector<OutputSample>* first = nullptr;
    bool unanimous = true;
    for (size_t i = 0; i < measured.size(); ++i) {
      if (results[i].empty()) continue;
      if (!first) first = &results[i];
      unanimous = unanimous && agree(*first, results[i]);
    }
    if (unanimous) return;
    Measured oracle;
    oracle.candidate = {&reference_kernel(), "", false};
    oracle.instance = oracle.candidate.kernel->prepare(job.desc, "");
    operands.clear_outputs();
    bench_.enqueue(*oracle.instance, operands.args(oracle.candidate, 0));
    bench_.stream->synchronize();
    const std::vector<OutputSample> expected = operands.sample_outputs();
    for (size_t i = 0; i < measured.size(); ++i) {
      if (results[i].empty() || agree(expected, results[i])) continue;
      measured[i].microseconds.clear();
      drop(measured[i], rejected, "its result differs from the reference's");
    }
  }

  void time_all(const TuneJob& job, std::vector<Measured>& measured,
                std::vector<std::string>& rejected) {
    TuneOperands operands(job, bench_.engine, bench_.device, *bench_.stream, bench_.weights,
                          memory_);
    std::vector<std::vector<OutputSample>> results(measured.size());
    const bool some = first_runs(job, operands, measured, results, rejected);
    if (!some && std::any_of(measured.begin(), measured.end(),
                             [](const Measured& m) { return m.hopeless; })) {
      for (Measured& m : measured) {  // better than none
        m.hopeless = !m.hopeless;
      }
      first_runs(job, operands, measured, results, rejected);
      for (Measured& m : measured) m.hopeless = false;
    }
    judge(job, operands, results, measured, rejected);
    drop_slow(measured, kGiveUpAtOnceFactor, kLongMicroseconds);
    race(job, operands, measured, rejected);
    for (Measured& m : measured) m.graph.reset();  // it names this descriptor's operands
  }

  // Drops the candidate where `work` throws.
  template <class F>
  void attempt(const TuneJob& job, Measured& m, std::vector<std::string>& rejected, F&& work) {
    try {
      work();
    } catch (const std::exception& error) {
      const auto* own = dynamic_cast<const Error*>(&error);
      m.no_memory = (own && own->code() == ErrorCode::kOutOfMemory) ||
                    dynamic_cast<const std::bad_alloc*>(&error);
      m.microseconds.clear();
      drop(m, rejected, error.what());
      bench_.check_alive(key(job, m.candidate), name(m.candidate));
    }
  }

  // One run each of the candidates that are not hopeless, for its result; the first timing. True
  // when one worked.
  bool first_runs(const TuneJob& job, TuneOperands& operands, std::vector<Measured>& measured,
                  std::vector<std::vector<OutputSample>>& results,
                  std::vector<std::string>& rejected) {
    // All are prepared before one is captured: a graph holds the workspace's address.
    size_t workspace = 0;
    for (Measured& m : measured) {
      if (m.hopeless || m.dropped) continue;
      ++bench_.report.timed;
      attempt(job, m, rejected, [&] {
        m.instance = m.candidate.kernel->prepare(job.desc, m.candidate.tactic);
        workspace = std::max(workspace, m.instance->workspace_bytes());
      });
    }
    bench_.reserve(workspace);
    bool some = false;
    for (size_t i = 0; i < measured.size(); ++i) {
      Measured& m = measured[i];
      if (m.hopeless || m.dropped) continue;
      attempt(job, m, rejected, [&] {
        operands.clear_outputs();
        m.microseconds.push_back(run_once(m, operands, 0));
        results[i] = operands.sample_outputs();
        if (capture(m, operands)) m.microseconds = {run_once(m, operands, 0)};
        some = true;
      });
      if (m.dropped) results[i].clear();
    }
    return some;
  }

  // Records launches over several sets of weights as a graph, so that gaps between launches are not
  // timed as kernels. False where the device or the kernel cannot.
  bool capture(Measured& m, TuneOperands& operands) {
    if (bench_.device.host_visible() || !m.candidate.kernel->capturable) return false;
    const double once = std::max(1.0, run_once(m, operands, 1));  // the first made library plans
    const auto most = std::clamp(operands.rounds(), kManyLaunches, kMostLaunches);
    const auto count = static_cast<size_t>(std::clamp(kGraphMicroseconds / once,
                                                      static_cast<double>(kFewestLaunches),
                                                      static_cast<double>(most)));
    // What kernels make on their first launch with an operand (library plans) is made now.
    for (size_t i = 0; i < count; ++i) enqueue(m, operands, i);
    m.graph = bench_.capture([&] {
      for (size_t i = 0; i < count; ++i) {
        enqueue(m, operands, i);
        bench_.neighbour.launch();
      }
    });
    if (m.graph) m.launches = count;
    return m.graph != nullptr;
  }

  // Further runs of the candidates that are not dropped. Each run has its turn at another step's
  // weights, and another candidate is the one that finds them cold.
  void race(const TuneJob& job, TuneOperands& operands, std::vector<Measured>& measured,
            std::vector<std::string>& rejected) {
    const Stopwatch watch;
    for (size_t run = 1; run < (job.in_plan ? kRuns : kProposalRuns); ++run) {
      std::vector<Measured*> racing;
      for (Measured& m : measured) {
        if (!m.dropped && !m.hopeless) racing.push_back(&m);
      }
      if (racing.size() < 2) return;
      if (run > 1 && watch.ms() * 1e3 > kEnoughMicroseconds) return;
      for (size_t i = 0; i < racing.size(); ++i) {
        Measured& m = *racing[(run + i) % racing.size()];
        attempt(job, m, rejected, [&] { m.microseconds.push_back(run_once(m, operands, run)); });
      }
      drop_slow(measured, kGiveUpFactor, racing.front()->graph ? 0 : kShortMicroseconds);
    }
  }

  static void drop_slow(std::vector<Measured>& measured, double factor, double at_least) {
    double fastest = 1e30;
    for (const Measured& m : measured) {
      if (!m.microseconds.empty()) fastest = std::min(fastest, m.best());
    }
    for (Measured& m : measured) {
      if (m.microseconds.empty()) continue;
      m.dropped |= m.best() > factor * fastest && m.best() >= at_least;
    }
  }

  void drop(Measured& m, std::vector<std::string>& rejected, std::string_view reason) {
    m.dropped = true;
    rejected.push_back(fmt::format("{}: {}", name(m.candidate), reason));
    spdlog::warn("tuner skips {} {}: {}", m.candidate.kernel->name, m.candidate.tactic, reason);
  }

  void enqueue(Measured& m, TuneOperands& operands, size_t round) {
    bench_.enqueue(*m.instance, operands.args(m.candidate, round));
  }

  // Microseconds of one launch: of the round's weights, or the mean over the captured ones, without
  // what their neighbours take.
  double run_once(Measured& m, TuneOperands& operands, size_t round) {
    if (!m.graph) {
      const LaunchArgs args = operands.args(m.candidate, round);  // may pack or copy weights
      return bench_.time([&] { bench_.enqueue(*m.instance, args); });
    }
    const double all = bench_.time([&] { m.graph->replay(*bench_.stream); });
    return std::max(kLeastMicroseconds, all / static_cast<double>(m.launches) -
                                            bench_.neighbour.microseconds(*bench_.timer));
  }

  static KernelChoice choice_of(const Measured& m) {
    return {std::string(m.candidate.kernel->name), m.candidate.kernel->version, m.candidate.tactic,
            m.best(), m.candidate.kernel->library_text()};
  }

  // The fastest of all, and under the descriptor that invariant mode looks up the fastest of those
  // it may use: the same measurements serve both.
  void record(const TuneJob& job, const std::vector<Measured>& measured,
              const std::vector<std::string>& rejected, Choices& choices) {
    Json item = {{"desc", job.desc.text()}, {"rejected", rejected}};
    KernelDesc invariant = job.desc;
    invariant.invariant = true;
    const Measured* winner = nullptr;
    const Measured* invariant_winner = nullptr;
    for (const Measured& m : measured) {
      if (m.microseconds.empty()) continue;
      item["candidates"].push_back({{"kernel", std::string(m.candidate.kernel->name)},
                                    {"tactic", m.candidate.tactic},
                                    {"us", m.best()}});
      if (!winner || m.best() < winner->best()) winner = &m;
      if (!may_run(*m.candidate.kernel, invariant)) continue;
      if (!invariant_winner || m.best() < invariant_winner->best()) invariant_winner = &m;
    }
    if (invariant_winner) choices[invariant.text()] = choice_of(*invariant_winner);
    if (winner) {
      choices[job.desc.text()] = choice_of(*winner);
      item["winner"] = std::string(winner->candidate.kernel->name) + " " + winner->candidate.tactic;
    }
    bench_.report.details.push_back(std::move(item));
  }

  TuneBench bench_;
  TuneMemory memory_;
  // By the step of a descriptor, by candidate: times the fastest, see kHopelessFactor.
  std::map<const PlanStep*, std::map<std::string, double>> ratios_;
  std::map<const PlanStep*, Shorter> shorter_;  // jobs of run()
  double share_ = 1;                            // of the time, that kernels alone may take
  Choices proposals_;                           // of descriptors that only fused steps have
};

}  // namespace

DeviceSection tune(const Engine& engine, Device& device, TimingCache* timings, double seconds,
                   TuneReport& report) {
  return Tuner(engine, device, timings, seconds, report).run();
}

}  // namespace ingot
