#include "compiler/tune.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/random.h"
#include "engine/selection.h"
#include "engine/weights.h"

namespace ingot {
namespace {

constexpr int kRounds = 5;  // interleaved, so that a slow moment hits every candidate alike
// Stands for the time of the reference where it is the last resort: it is not measured.
constexpr double kReferenceMicroseconds = 1e6;
constexpr double kGiveUpFactor = 3;  // after one round, candidates this much slower are dropped
// Candidates compute the same thing in other orders: 2 % of the largest value covers 16-bit
// activations; a wrong kernel is off by far more.
constexpr double kMaxDisagreement = 0.02;

// A descriptor and the steps that have it: they share tactics, and their different weights keep
// timings cold.
struct Job {
  KernelDesc desc;
  std::vector<const PlanStep*> steps;
};

// Operand memory for one descriptor. Weights come from the engine, activations are random; integer
// inputs are zero, which is a valid token, position, row and page.
class Operands {
 public:
  Operands(const Job& job, const Engine& engine, Device& device, WeightStore& weights)
      : job_(job), engine_(engine), weights_(weights) {
    for (const OperandDesc& operand : job.desc.inputs) inputs_.push_back(make(operand, device));
    for (const OperandDesc& operand : job.desc.outputs) outputs_.push_back(make(operand, device));
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
  TensorView make(const OperandDesc& operand, Device& device) {
    if (!operand.present || operand.constant) return {operand.type, operand.shape, nullptr};
    TensorView view{operand.type, operand.shape};
    Buffer& buffer =
        memory_.emplace_back(device, static_cast<size_t>(std::max<int64_t>(64, view.bytes())));
    view.data = buffer.data();
    std::fill_n(view.data, view.bytes(), std::byte{0});
    if (!is_float(operand.type.dtype) || operand.state) return view;
    std::vector<float> row(static_cast<size_t>(view.columns()));
    for (int64_t r = 0; r < view.rows(); ++r) {
      for (size_t c = 0; c < row.size(); ++c) {
        row[c] = static_cast<float>(random_unit(static_cast<uint64_t>(r), c) * 2 - 1);
      }
      store_row(view, r, 0, view.columns(), row.data());
    }
    return view;
  }

  const Job& job_;
  const Engine& engine_;
  WeightStore& weights_;
  std::vector<Buffer> memory_;
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
  bool dropped = false;
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
        measured.push_back({std::move(candidate), nullptr, {}, false});
      }
      measure(job, measured, rejected);
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
    if (measured.size() < 2) return;  // nothing to choose
    bool all_known = timings_ != nullptr;
    for (const Measured& m : measured) {
      all_known = all_known && timings_->find(key(job, m.candidate)).has_value();
    }
    if (all_known) {
      for (Measured& m : measured) {
        const double known = *timings_->find(key(job, m.candidate));
        ++report_.cached;
        if (known == TimingCache::kRefused) {
          drop(m, rejected, "it failed when it was timed (timing cache)");
        } else {
          m.microseconds = {known};
        }
      }
      settle(job, measured);
      return;
    }
    if (watch_.ms() > budget_ms_) return;
    time_all(job, measured, rejected);
    for (Measured& m : measured) {
      if (!timings_) break;
      timings_->put(key(job, m.candidate),
                    m.microseconds.empty() ? TimingCache::kRefused : m.best());
    }
    settle(job, measured);
  }

  // Where every fast candidate failed, the reference runs the step: left to heuristics, binding
  // would take one of the failed ones.
  static void settle(const Job& job, std::vector<Measured>& measured) {
    for (const Measured& m : measured) {
      if (!m.microseconds.empty()) return;
    }
    const KernelDef* reference = find_kernel("cpu", "reference");
    if (get_op(job.desc.op).control_flow || !reference) return;
    measured.push_back({{reference, "", false}, nullptr, {kReferenceMicroseconds}, false});
  }

  // Candidates that disagree are judged by the operator's definition, which is slow: it runs only
  // then.
  void judge(const Job& job, Operands& operands, const std::vector<std::vector<float>>& results,
             std::vector<Measured>& measured, std::vector<std::string>& rejected) {
    const std::vector<float>* first = nullptr;
    bool unanimous = true;
    for (size_t i = 0; i < measured.size(); ++i) {
      if (measured[i].dropped) continue;
      if (!first) first = &results[i];
      unanimous = unanimous && agree(*first, results[i]);
    }
    if (unanimous) return;
    Measured oracle{{find_kernel("cpu", "reference"), "", false}, nullptr, {}, false};
    oracle.instance = oracle.candidate.kernel->prepare(job.desc, "");
    launch(oracle, operands, 0);
    const std::vector<float> expected = operands.first_output();
    for (size_t i = 0; i < measured.size(); ++i) {
      if (measured[i].dropped || agree(expected, results[i])) continue;
      drop(measured[i], rejected, "its result differs from the reference's");
    }
  }

  void time_all(const Job& job, std::vector<Measured>& measured,
                std::vector<std::string>& rejected) {
    Operands operands(job, engine_, device_, weights_);
    std::vector<std::vector<float>> results(measured.size());
    for (size_t i = 0; i < measured.size(); ++i) {
      Measured& m = measured[i];
      try {
        m.instance = m.candidate.kernel->prepare(job.desc, m.candidate.tactic);
        launch(m, operands, 0);  // warms up, and is checked
        results[i] = operands.first_output();
      } catch (const std::exception& error) {
        drop(m, rejected, error.what());
      }
      ++report_.timed;
    }
    judge(job, operands, results, measured, rejected);
    for (int round = 0; round < kRounds; ++round) {
      double fastest = 1e30;
      for (Measured& m : measured) {
        if (m.dropped) continue;
        const Stopwatch watch;
        launch(m, operands, static_cast<size_t>(round));
        m.microseconds.push_back(watch.ms() * 1e3);
        fastest = std::min(fastest, m.best());
      }
      for (Measured& m : measured)
        m.dropped |= !m.microseconds.empty() && m.best() > kGiveUpFactor * fastest;
    }
  }

  void drop(Measured& m, std::vector<std::string>& rejected, std::string_view reason) {
    m.dropped = true;
    rejected.push_back(
        fmt::format("{} {}: {}", m.candidate.kernel->name, m.candidate.tactic, reason));
    spdlog::warn("tuner skips {} {}: {}", m.candidate.kernel->name, m.candidate.tactic, reason);
  }

  void launch(Measured& m, Operands& operands, size_t round) {
    const size_t bytes = m.instance->workspace_bytes();
    if (bytes > workspace_.size()) workspace_ = Buffer(device_, bytes);
    ExecContext context{device_, *stream_, device_.team(), {workspace_.data(), bytes}, nullptr};
    m.instance->launch(operands.args(m.candidate, round), context);
    stream_->synchronize();
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
  Stopwatch watch_;
};

}  // namespace

DeviceSection tune(const Engine& engine, Device& device, TimingCache* timings, double seconds,
                   TuneReport& report) {
  return Tuner(engine, device, timings, seconds, report).run();
}

}  // namespace ingot
