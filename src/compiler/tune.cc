#include "compiler/tune.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/random.h"
#include "engine/selection.h"
#include "engine/weights.h"

namespace ingot {
namespace {

constexpr size_t kRuns = 6;  // interleaved, so that a slow moment hits every candidate alike
// Runs of long shapes repeat less: a descriptor stops at kEnough once each candidate ran twice.
constexpr double kEnoughMicroseconds = 40e3;
// Stands for the time of the reference where it is the last resort: it is not measured.
constexpr double kReferenceMicroseconds = 1e6;
// Candidates this much slower than the fastest are dropped: after two runs, and after the first
// (which warms up) where it is long enough to mean something. Short ones cost nothing and run on.
constexpr double kGiveUpFactor = 1.5;
constexpr double kShortMicroseconds = 200;
constexpr double kGiveUpAtOnceFactor = 2.5;
constexpr double kLongMicroseconds = 20e3;  // several time slices of a busy machine
// With this many rows the work is in the arithmetic, and more rows change no ratio: a candidate
// that is kHopelessFactor slower, and that heuristics rank lower too, is not tried on the next
// bucket of the same step.
constexpr int64_t kSteadyRows = 32;
constexpr double kHopelessFactor = 2;
// Rows of random numbers; further ones repeat them.
constexpr int64_t kRandomRows = 16;
constexpr int64_t kPageBytes = 4096;
// Candidates compute the same thing in other orders: 2 % of the largest value covers 16-bit
// activations; a wrong kernel is off by far more.
constexpr double kMaxDisagreement = 0.02;

// A descriptor and the steps that have it: they share tactics, and their different weights keep
// timings cold.
struct Job {
  KernelDesc desc;
  std::vector<const PlanStep*> steps;
};

// Buffers that descriptors use one after the other: fresh pages cost more than many a kernel.
struct Memory {
  std::vector<Buffer> buffers;
  size_t used = 0;
  std::set<const std::byte*> touched;  // weight pieces whose pages are mapped
  std::byte* take(Device& device, size_t bytes) {
    if (used == buffers.size()) buffers.emplace_back();
    Buffer& buffer = buffers[used++];
    if (bytes > buffer.size()) buffer = Buffer(device, bytes);
    return buffer.data();
  }
  // No candidate should pay for reading the file because it is the first one.
  void touch(const TensorView& piece) {
    if (!touched.insert(piece.data).second) return;
    const int64_t bytes = piece.row_bytes() * piece.rows();
    for (int64_t at = 0; at < bytes; at += kPageBytes) {
      *static_cast<const volatile std::byte*>(piece.data + at);
    }
  }
};

// Operands of one descriptor, alone in `memory` while it lives. Weights come from the engine,
// activations are random; integer inputs are zero, which is a valid token, position, row and page.
class Operands {
 public:
  Operands(const Job& job, const Engine& engine, Device& device, WeightStore& weights,
           Memory& memory)
      : job_(job), engine_(engine), device_(device), weights_(weights), memory_(memory) {
    memory.used = 0;
    for (const OperandDesc& operand : job.desc.inputs) {
      inputs_.push_back(make(operand, device, memory));
      fill(operand, inputs_.back());
    }
    for (const OperandDesc& operand : job.desc.outputs) {
      outputs_.push_back(make(operand, device, memory));
    }
    for (const Effects::Alias& alias : get_op(job.desc.op).effects.aliases) {
      outputs_[static_cast<size_t>(alias.output)] = inputs_[static_cast<size_t>(alias.input)];
    }
  }

  // Views with the weights of the round's step in the layouts of the tactic.
  LaunchArgs args(const Selection& candidate, size_t round) {
    const PlanStep& step = *job_.steps[round % job_.steps.size()];
    segments_.assign(inputs_.size(), {});
    pieces_.resize(inputs_.size());
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!job_.desc.inputs[i].constant) continue;
      const PlanValue& value = engine_.plan.values[static_cast<size_t>(step.inputs[i])];
      const WeightLayout layout = candidate.kernel->layout
                                      ? candidate.kernel->layout(job_.desc, candidate.tactic, i)
                                      : WeightLayout{};
      pieces_[i] = weights_.view(value, layout);
      if (device_.host_visible()) {
        for (const TensorView& piece : pieces_[i]) memory_.touch(piece);
      }
      inputs_[i] = pieces_[i][0];
      inputs_[i].shape = evaluate(value.type.shape, {});
      if (pieces_[i].size() > 1) segments_[i] = pieces_[i];
    }
    return {inputs_, outputs_, segments_};
  }

  std::vector<float> first_output() const {
    const TensorView& out = outputs_[0];
    std::vector<float> values;
    if (out.type.is_block() || !is_float(out.type.dtype)) return values;
    values.resize(static_cast<size_t>(out.columns() * std::min<int64_t>(out.rows(), 4)));
    for (int64_t r = 0; r < std::min<int64_t>(out.rows(), 4); ++r) {
      load_row(out, r, 0, out.columns(), values.data() + r * out.columns());
    }
    return values;
  }

 private:
  static TensorView make(const OperandDesc& operand, Device& device, Memory& memory) {
    TensorView view{operand.type, operand.shape};
    if (!operand.present || operand.constant) return view;
    view.data = memory.take(device, static_cast<size_t>(std::max<int64_t>(64, view.bytes())));
    std::fill_n(view.data, view.bytes(), std::byte{0});
    return view;
  }

  static void fill(const OperandDesc& operand, const TensorView& view) {
    if (!view.present() || !is_float(operand.type.dtype) || operand.state) return;
    std::vector<float> row(static_cast<size_t>(view.columns()));
    for (int64_t r = 0; r < view.rows(); ++r) {
      if (r >= kRandomRows) {
        std::copy_n(view.row(r % kRandomRows), view.row_bytes(), view.row(r));
        continue;
      }
      for (size_t c = 0; c < row.size(); ++c) {
        row[c] = static_cast<float>(random_unit(static_cast<uint64_t>(r), c) * 2 - 1);
      }
      store_row(view, r, 0, view.columns(), row.data());
    }
  }

  const Job& job_;
  const Engine& engine_;
  Device& device_;
  WeightStore& weights_;
  Memory& memory_;
  std::vector<TensorView> inputs_;
  std::vector<TensorView> outputs_;
  std::vector<std::vector<TensorView>> pieces_;
  std::vector<std::span<const TensorView>> segments_;
};

bool agree(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  double difference = 0;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(a[i])));
    difference = std::max(difference, std::fabs(static_cast<double>(a[i]) - b[i]));
    if (std::isnan(a[i]) != std::isnan(b[i])) return false;
  }
  return difference <= kMaxDisagreement * largest + 1e-6;
}

std::vector<Job> collect(const Plan& plan, WeightStore& weights) {
  std::map<std::string, size_t> index;
  std::vector<Job> jobs;
  const std::vector<Bucket> none = {{}};
  for (const Bucket& bucket : plan.buckets.empty() ? none : plan.buckets) {
    for (const PlanStep& step : plan.steps) {
      if (step.kind != StepKind::kKernel) continue;
      std::vector<int64_t> segments;
      for (int id : step.inputs) {
        const bool weight =
            id != kNoValue && plan.values[static_cast<size_t>(id)].kind == PlanValue::Kind::kWeight;
        segments.push_back(weight ? static_cast<int64_t>(
                                        weights.pieces(plan.values[static_cast<size_t>(id)]).size())
                                  : 1);
      }
      Job job{describe(plan, step, bucket, plan.limits, segments, false), {&step}};
      auto [it, fresh] = index.try_emplace(job.desc.text(), jobs.size());
      if (fresh) {
        jobs.push_back(std::move(job));
      } else {
        jobs[it->second].steps.push_back(&step);
      }
    }
  }
  return jobs;
}

struct Measured {
  Selection candidate;
  std::unique_ptr<KernelInstance> instance;
  std::vector<double> microseconds;
  bool dropped = false;   // takes no further runs
  bool hopeless = false;  // not run at all: see kHopelessFactor
  double best() const {
    std::vector<double> sorted = microseconds;
    std::sort(sorted.begin(), sorted.end());
    // Noise only ever adds: the lower quartile is steadier than the mean and less lucky than the
    // minimum.
    return sorted.empty() ? 0 : sorted[sorted.size() / 4];
  }
};

class Tuner {
 public:
  Tuner(const Engine& engine, Device& device, TimingCache* timings, double seconds,
        TuneReport& report)
      : engine_(engine),
        device_(device),
        timings_(timings),
        budget_ms_(seconds * 1e3),
        report_(report),
        weights_(engine, device),
        stream_(device.make_stream()) {}

  DeviceSection run() {
    DeviceSection section;
    section.device = device_.identity();
    std::vector<Job> jobs = collect(engine_.plan, weights_);
    Progress progress("tuning kernels", static_cast<int64_t>(jobs.size()), "descriptors");
    report_.descriptors = static_cast<int>(jobs.size());
    report_.details = Json::array();
    for (const Job& job : jobs) {
      progress.add(1);
      std::vector<std::string> rejected;
      std::vector<Measured> measured;
      for (Selection& candidate : candidates(job.desc, device_.kind(), &rejected)) {
        measured.push_back({std::move(candidate), nullptr, {}});
      }
      if (measured.size() > 1) measure(job, measured, rejected);
      record(job, measured, rejected, section);
    }
    report_.milliseconds = watch_.ms();
    return section;
  }

 private:
  std::string key(const Job& job, const Selection& candidate) const {
    return TimingCache::key(device_.identity(), candidate.kernel->name, candidate.kernel->version,
                            candidate.tactic, job.desc.text());
  }

  void measure(const Job& job, std::vector<Measured>& measured,
               std::vector<std::string>& rejected) {
    if (!recall(job, measured, rejected)) {
      if (watch_.ms() > budget_ms_) return;
      for (Measured& m : measured) m.hopeless = beaten(job, m.candidate) > kHopelessFactor;
      time_all(job, measured, rejected);
      for (Measured& m : measured) {
        if (m.hopeless) {
          rejected.push_back(fmt::format("{}: {:.1f} times the fastest with fewer rows",
                                         name(m.candidate), beaten(job, m.candidate)));
        }
        if (!timings_) continue;
        const double value = m.hopeless               ? TimingCache::kHopeless
                             : m.microseconds.empty() ? TimingCache::kRefused
                                                      : m.best();
        timings_->put(key(job, m.candidate), value);
      }
    }
    settle(job, measured);
    remember(job, measured);
  }

  // True when the timing cache knows all candidates.
  bool recall(const Job& job, std::vector<Measured>& measured, std::vector<std::string>& rejected) {
    bool all_known = timings_ != nullptr;
    for (const Measured& m : measured) {
      all_known = all_known && timings_->find(key(job, m.candidate)).has_value();
    }
    if (!all_known) return false;
    for (Measured& m : measured) {
      const double known = *timings_->find(key(job, m.candidate));
      ++report_.cached;
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
  void remember(const Job& job, const std::vector<Measured>& measured) {
    const Shape& shape = job.desc.inputs.empty() ? Shape{} : job.desc.inputs[0].shape;
    if (shape.empty() || shape[0] < kSteadyRows) return;
    std::map<std::string, double>& ratios = ratios_[job.steps.front()];
    double fastest = 1e30;
    for (const Measured& m : measured) {
      if (!m.microseconds.empty()) fastest = std::min(fastest, m.best());
    }
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
  double beaten(const Job& job, const Selection& candidate) const {
    auto known = ratios_.find(job.steps.front());
    if (known == ratios_.end()) return 0;
    auto ratio = known->second.find(name(candidate));
    return ratio == known->second.end() ? 0 : ratio->second;
  }
  static std::string name(const Selection& candidate) {
    return fmt::format("{} {}", candidate.kernel->name, candidate.tactic);
  }

  // Where every fast candidate failed, the reference runs the step: left to heuristics, binding
  // would take one of the failed ones.
  static void settle(const Job& job, std::vector<Measured>& measured) {
    for (const Measured& m : measured) {
      if (!m.microseconds.empty()) return;
    }
    const KernelDef* reference = find_kernel("cpu", "reference");
    if (get_op(job.desc.op).control_flow || !reference) return;
    measured.push_back({{reference, "", false}, nullptr, {kReferenceMicroseconds}});
  }

  // Candidates that disagree are judged by the operator's definition, which is slow: it runs only
  // then.
  void judge(const Job& job, Operands& operands, const std::vector<std::vector<float>>& results,
             std::vector<Measured>& measured, std::vector<std::string>& rejected) {
    const std::vector<float>* first = nullptr;
    bool unanimous = true;
    for (size_t i = 0; i < measured.size(); ++i) {
      if (results[i].empty()) continue;
      if (!first) first = &results[i];
      unanimous = unanimous && agree(*first, results[i]);
    }
    if (unanimous) return;
    Measured oracle{{find_kernel("cpu", "reference"), "", false}, nullptr, {}};
    oracle.instance = oracle.candidate.kernel->prepare(job.desc, "");
    launch(oracle, operands, 0);
    const std::vector<float> expected = operands.first_output();
    for (size_t i = 0; i < measured.size(); ++i) {
      if (results[i].empty() || agree(expected, results[i])) continue;
      measured[i].microseconds.clear();
      drop(measured[i], rejected, "its result differs from the reference's");
    }
  }

  void time_all(const Job& job, std::vector<Measured>& measured,
                std::vector<std::string>& rejected) {
    Operands operands(job, engine_, device_, weights_, memory_);
    std::vector<std::vector<float>> results(measured.size());
    bool any = false;
    auto first_run = [&](size_t i) {
      Measured& m = measured[i];
      try {
        m.instance = m.candidate.kernel->prepare(job.desc, m.candidate.tactic);
        m.microseconds.push_back(launch(m, operands, 0));
        results[i] = operands.first_output();
        any = true;
      } catch (const std::exception& error) {
        drop(m, rejected, error.what());
      }
      ++report_.timed;
    };
    for (size_t i = 0; i < measured.size(); ++i) {
      if (!measured[i].hopeless) first_run(i);
    }
    for (size_t i = 0; i < measured.size() && !any; ++i) {  // better than none
      if (!std::exchange(measured[i].hopeless, false)) continue;
      first_run(i);
    }
    judge(job, operands, results, measured, rejected);
    drop_slow(measured, kGiveUpAtOnceFactor, kLongMicroseconds);
    race(operands, measured);
  }

  // Further runs of the candidates that are not dropped. Each run has its turn at another step's
  // weights, and another candidate is the one that finds them cold.
  void race(Operands& operands, std::vector<Measured>& measured) {
    const Stopwatch watch;
    for (size_t run = 1; run < kRuns; ++run) {
      std::vector<Measured*> racing;
      for (Measured& m : measured) {
        if (!m.dropped && !m.hopeless) racing.push_back(&m);
      }
      if (racing.size() < 2) return;
      if (run > 1 && watch.ms() * 1e3 > kEnoughMicroseconds) return;
      for (size_t i = 0; i < racing.size(); ++i) {
        Measured& m = *racing[(run + i) % racing.size()];
        m.microseconds.push_back(launch(m, operands, run));
      }
      drop_slow(measured, kGiveUpFactor, kShortMicroseconds);
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

  // Microseconds of one launch.
  double launch(Measured& m, Operands& operands, size_t run) {
    const size_t bytes = m.instance->workspace_bytes();
    if (bytes > workspace_.size()) workspace_ = Buffer(device_, bytes);
    ExecContext context{device_, *stream_, device_.team(), {workspace_.data(), bytes}, nullptr};
    const LaunchArgs args = operands.args(m.candidate, run);
    const Stopwatch watch;
    m.instance->launch(args, context);
    stream_->synchronize();
    return watch.ms() * 1e3;
  }

  static KernelChoice choice_of(const Measured& m) {
    return {std::string(m.candidate.kernel->name), m.candidate.kernel->version, m.candidate.tactic,
            m.best()};
  }

  // The fastest of all, and under the descriptor that invariant mode looks up the fastest of those
  // it may use: the same measurements serve both.
  void record(const Job& job, const std::vector<Measured>& measured,
              const std::vector<std::string>& rejected, DeviceSection& section) {
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
    if (invariant_winner) section.choices[invariant.text()] = choice_of(*invariant_winner);
    if (winner) {
      section.choices[job.desc.text()] = choice_of(*winner);
      item["winner"] = std::string(winner->candidate.kernel->name) + " " + winner->candidate.tactic;
    }
    report_.details.push_back(std::move(item));
  }

  const Engine& engine_;
  Device& device_;
  TimingCache* timings_;
  double budget_ms_;
  TuneReport& report_;
  WeightStore weights_;
  std::unique_ptr<Stream> stream_;
  Buffer workspace_;
  Memory memory_;
  // By the step of a descriptor, by candidate: times the fastest, see kHopelessFactor.
  std::map<const PlanStep*, std::map<std::string, double>> ratios_;
  Stopwatch watch_;
};

}  // namespace

DeviceSection tune(const Engine& engine, Device& device, TimingCache* timings, double seconds,
                   TuneReport& report) {
  return Tuner(engine, device, timings, seconds, report).run();
}

}  // namespace ingot
