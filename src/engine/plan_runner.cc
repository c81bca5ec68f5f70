#include "engine/plan_runner.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "engine/idle_steps.h"
#include "engine/step_sizes.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "engine/plan_runner";
constexpr size_t kMostCaptures = 512;  // sizes come from a few buckets; others must not pile up
constexpr size_t kMinimumBytes = 64;   // so that an empty tensor still has an address

// Fused steps run where they were measured to be faster than what they cover, and nobody looks at
// values between.
std::vector<FusedStep> fusable(const RunnerShared& shared, const Plan& plan) {
  const ExecutorOptions& options = shared.options;
  const bool looks = options.on_step || options.weight_memory_limit > 0;
  if (options.selection.reference || looks) return {};
  return tuned_fused_steps(plan, shared.device.kind(), shared.section);
}

// Control flow and values sized while running live on the host heap.
void check_runs_on(const Device& device, const Plan& plan) {
  if (device.host_visible()) return;
  for (const PlanStep& step : plan.steps) {
    if (!is_control(step)) continue;
    fail(ErrorCode::kUnsupported, kWhere, "plan '{}': '{}' {} does not run on device '{}' yet",
         plan.name, step.op, step.origin, device.kind());
  }
}

}  // namespace

void match_symbols(std::string_view name, const ValueType& type, const TensorView& view,
                   SymbolValues& symbols) {
  auto bad = [&] {
    fail(ErrorCode::kInvalidArgument, kWhere, "input '{}': expected {}, found {}{}", name,
         type_text(type), view.type.name(), shape_text(view.shape));
  };
  if (!(view.type == type.element) || view.shape.size() != type.shape.size()) bad();
  for (size_t d = 0; d < view.shape.size(); ++d) {
    const Dim& dim = type.shape[d];
    if (dim.is_constant()) {
      if (dim.constant() != view.shape[d]) bad();
      continue;
    }
    const std::vector<std::string> names = dim.symbols();
    if (dim == Dim::symbol(names[0])) {
      symbols[names[0]] = view.shape[d];
    }
  }
}

PlanRunner::PlanRunner(RunnerShared& shared, const Plan& plan)
    : shared_(shared),
      plan_(plan),
      buckets_(covering_buckets(plan, shared.limits)),
      fused_(fusable(shared, plan)),
      memory_(plan_memory(plan, shared.limits, fused_)) {
  check_runs_on(shared.device, plan);
  for (const PlanStep& step : plan.steps) {
    if (is_control(step)) control_outputs_.insert(step.outputs.begin(), step.outputs.end());
  }
  arena_ = Buffer(shared.device,
                  std::max<size_t>(kMinimumBytes, static_cast<size_t>(memory_.layout.total)));
  views_.resize(plan.values.size());
  bases_.resize(plan.values.size(), nullptr);
  for (size_t i = 0; i < memory_.values.size(); ++i) {
    bases_[static_cast<size_t>(memory_.values[i])] = arena_.data() + memory_.layout.offsets[i];
  }
  for (int id : plan.states) {
    const PlanValue& value = plan.values[static_cast<size_t>(id)];
    const auto bytes = bytes_at(value.type, shared.limits);
    if (!bytes) {
      fail(ErrorCode::kInvalidArgument, kWhere, "state '{}' ({}) has no limit", value.name,
           type_text(value.type));
    }
    const size_t size = std::max(kMinimumBytes, static_cast<size_t>(*bytes));
    Buffer& buffer = owned_[id] = Buffer(shared.device, size);
    shared.device.fill_zero(buffer.data(), buffer.size(), shared.stream);
    bases_[static_cast<size_t>(id)] = buffer.data();
    state_bytes_ += *bytes;
  }
  for (const Plan& sub : plan.subplans)
    bodies_.push_back(std::make_unique<PlanRunner>(shared, sub));
  for (const FusedStep& fused : fused_) {
    for (const PlanStep& step : fused.steps) fused_steps_.push_back({&step, &fused});
  }
  steps_.resize(plan.steps.size() + fused_steps_.size());
  orders_.resize(buckets_.size());
  find_told();
  bind_weights();
}

// Finds each step's weight pieces; packed layouts follow when a bucket's kernel is chosen.
void PlanRunner::bind_weights() {
  for (size_t s = 0; s < steps_.size(); ++s) {
    const PlanStep& step = step_at(s);
    BoundStep& bound = steps_[s];
    bound.effects = &get_op(step.op).effects;
    bound.may_disagree =
        step.kind != StepKind::kView && !is_control(step) && sizes_may_disagree(plan_, step);
    bound.weight_views.resize(step.inputs.size());
    bound.segment_counts.assign(step.inputs.size(), 1);
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] == kNoValue) continue;
      const PlanValue& value = plan_.values[static_cast<size_t>(step.inputs[i])];
      if (value.kind != PlanValue::Kind::kWeight) continue;
      const size_t count = shared_.weights.piece_count(value);
      bound.segment_counts[i] = static_cast<int64_t>(count);
      if (is_control(step)) {
        bound.weight_views[i] = shared_.weights.view(value, {});
        CHECK_EQ(count, 1u);
      }
    }
    bound.instances.resize(buckets_.size());
    bound.kernels.resize(buckets_.size());
    bound.bucket_weights.resize(buckets_.size());
  }
}

void PlanRunner::bind_input(int value, const TensorView& view) {
  if (bases_[static_cast<size_t>(value)] != view.data) drop_captures();  // they hold the old one
  bases_[static_cast<size_t>(value)] = view.data;
  fresh_ = false;
}

void PlanRunner::refresh_value(int id, const SymbolValues& symbols) {
  const PlanValue& value = plan_.values[static_cast<size_t>(id)];
  TensorView& view = views_[static_cast<size_t>(id)];
  if (dynamic_.count(id) && value.storage == kNoValue &&
      bases_[static_cast<size_t>(id)] == dynamic_[id].data()) {
    return;  // set by control flow, with the shape it found
  }
  if (control_outputs_.count(id)) {
    view = {};  // its limits may be far above what it will be
    return;
  }
  const auto bytes = bytes_at(value.type, symbols);
  if (!bytes) {
    view = {};
    return;
  }
  view.type = value.type.element;
  view.shape = evaluate(value.type.shape, symbols);
  if (value.storage != kNoValue) {
    const TensorView& base = views_[static_cast<size_t>(value.storage)];
    if (!base.present()) {
      view = {};
      return;
    }
    view.data = base.data + view.type.bytes(value.column_offset);
    view.row_stride = view.columns() == base.columns() ? base.row_stride : base.row_bytes();
    return;
  }
  view.row_stride = 0;
  view.data = bases_[static_cast<size_t>(id)];
  if (!view.data && value.kind == PlanValue::Kind::kActivation) {
    if (!shared_.device.host_visible()) {
      fail(ErrorCode::kUnsupported, kWhere, "'{}' is sized while running: not on device '{}' yet",
           value.name, shared_.device.kind());
    }
    std::vector<std::byte>& memory = dynamic_[id];
    memory.resize(std::max(kMinimumBytes, static_cast<size_t>(*bytes)));
    view.data = memory.data();
  }
}

void PlanRunner::fill_step(size_t index) {
  const PlanStep& step = step_at(index);
  BoundStep& bound = steps_[index];
  bound.inputs.resize(step.inputs.size());
  bound.outputs.resize(step.outputs.size());
  bound.sizes_checked = false;
  bound.segments.clear();
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    if (step.inputs[i] == kNoValue) continue;
    const bool weight = !bound.weight_views[i].empty();
    bound.inputs[i] =
        weight ? bound.weight_views[i][0] : views_[static_cast<size_t>(step.inputs[i])];
    if (weight && bound.weight_views[i].size() > 1) {
      // The whole weight's shape; kernels read the pieces.
      const PlanValue& value = plan_.values[static_cast<size_t>(step.inputs[i])];
      bound.inputs[i].shape = evaluate(value.type.shape, {});
      bound.segments.resize(step.inputs.size());
      bound.segments[i] = bound.weight_views[i];
    }
  }
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    bound.outputs[i] = views_[static_cast<size_t>(step.outputs[i])];
  }
  bound.idle = is_idle(step, *bound.effects, bound.inputs, bound.outputs);
}

void PlanRunner::refresh(const SymbolValues& symbols) {
  for (size_t id = 0; id < plan_.values.size(); ++id) {
    if (plan_.values[id].kind == PlanValue::Kind::kWeight) continue;
    refresh_value(static_cast<int>(id), symbols);
  }
  for (size_t s = 0; s < steps_.size(); ++s) fill_step(s);
  symbols_ = symbols;
  fresh_ = true;
}

std::vector<Bucket> PlanRunner::covering_buckets(const Plan& plan, const SymbolValues& limits) {
  std::vector<Bucket> out = plan.buckets;
  if (out.empty()) return {limits};
  const bool covered = std::all_of(limits.begin(), limits.end(), [&](const auto& limit) {
    auto it = out.back().find(limit.first);
    return it == out.back().end() || limit.second <= it->second;
  });
  if (!covered) {
    out.push_back(limits);
    for (const auto& [name, value] : plan.buckets.back()) {
      out.back()[name] = std::max(out.back()[name], value);
    }
  }
  return out;
}

size_t PlanRunner::bucket_for(const SymbolValues& symbols) const {
  for (size_t b = 0; b < buckets_.size(); ++b) {
    const bool covers = std::all_of(buckets_[b].begin(), buckets_[b].end(), [&](const auto& limit) {
      auto it = symbols.find(limit.first);
      return it == symbols.end() || it->second <= limit.second;
    });
    if (covers) return b;
  }
  return buckets_.size() - 1;
}

void PlanRunner::launch(size_t index, size_t bucket) {
  BoundStep& bound = steps_[index];
  const PlanStep& step = step_at(index);
  auto check = [&](const std::vector<int>& ids, const std::vector<TensorView>& views) {
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == kNoValue || views[i].present()) continue;
      fail(ErrorCode::kInvalidArgument, kWhere, "step '{}': the size of '{}' is not known", step.op,
           plan_.values[static_cast<size_t>(ids[i])].name);
    }
  };
  check(step.inputs, bound.inputs);
  check(step.outputs, bound.outputs);
  if (bound.may_disagree && !bound.sizes_checked) {
    check_step_sizes(plan_, step, bound.inputs, bound.outputs, symbols_);
    bound.sizes_checked = true;
  }
  if (bound.idle) return;
  KernelInstance& instance = *bound.instances[bucket];
  const size_t bytes = instance.workspace_bytes();
  ExecContext context{shared_.device,
                      shared_.stream,
                      shared_.device.team(),
                      {shared_.workspace(bytes), bytes},
                      shared_.options.comm};
  try {
    instance.launch({bound.inputs, bound.outputs, bound.segments}, context);
  } catch (const Error& error) {  // an operator knows what is wrong with its values, not whose
    throw Error(error.code(), fmt::format("{} (step {} of plan '{}': {} {})", error.what(), index,
                                          plan_.name, step.op, step.origin));
  }
}

// A fault of a kernel shows where the host next waits, and says nothing of whose it is: only a wait
// right behind the launch can name it.
void PlanRunner::wait_for(size_t index, size_t bucket) {
  try {
    shared_.stream.synchronize();
  } catch (const Error& error) {
    const PlanStep& step = step_at(index);
    fail(error.code(), kWhere, "kernel '{}' (step {} of plan '{}': {} {}) failed: {}",
         steps_[index].kernels[bucket], index, plan_.name, step.op, step.origin, error.what());
  }
}

// Under a weight memory limit: makes room for the weights that step `index` reads from the mapped
// file and hints the next step's.
void PlanRunner::stream_weights(size_t index) {
  auto mapped_weights = [&](size_t s) {
    std::vector<const PlanValue*> out;
    if (s >= steps_.size()) return out;
    for (size_t i = 0; i < plan_.steps[s].inputs.size(); ++i) {
      const std::vector<TensorView>& views = steps_[s].weight_views[i];
      if (views.empty() || !shared_.weights.mapped(views[0])) continue;
      out.push_back(&plan_.values[static_cast<size_t>(plan_.steps[s].inputs[i])]);
    }
    return out;
  };
  shared_.weights.make_resident(mapped_weights(index), shared_.options.weight_memory_limit);
  for (const PlanValue* value : mapped_weights(index + 1)) shared_.weights.prefetch(*value);
}

void PlanRunner::run_steps(size_t bucket, SymbolValues& symbols) {
  // The first run of a bucket's kernels is where most faults show, and is slow anyway.
  const bool wait = shared_.wait_kernels ||
                    (!shared_.device.host_visible() && proven_buckets_.count(bucket) == 0);
  if (wait) shared_.stream.synchronize();  // or the first kernel answers for those before it
  for (size_t s : orders_[bucket]) {
    const PlanStep& step = step_at(s);
    if (profiling_) timer(s).start(shared_.stream);
    if (shared_.options.weight_memory_limit > 0) stream_weights(s);
    if (is_control(step)) {
      run_control(s, symbols);
    } else {
      launch(s, bucket);
      if (profiling_) timer(s).stop(shared_.stream);  // before the host waits
      if (wait) wait_for(s, bucket);
      if (shared_.options.on_step && &plan_ == &shared_.engine.plan && !steps_[s].idle) {
        shared_.stream.synchronize();
        shared_.options.on_step({s, steps_[s].kernels[bucket], steps_[s].outputs});
      }
    }
    if (profiling_ && is_control(step)) timer(s).stop(shared_.stream);
  }
  proven_buckets_.insert(bucket);
  // Read at the end: where the device has a clock, its queue does not run dry between two steps.
  if (!profiling_) return;
  for (size_t s : orders_[bucket]) steps_[s].microseconds += timer(s).microseconds();
}

bool PlanRunner::can_capture() const {
  const ExecutorOptions& options = shared_.options;
  if (options.on_step || profiling_ || !bodies_.empty() || shared_.wait_kernels) return false;
  return options.weight_memory_limit <= 0;  // under a limit pages move between the launches
}

// Not while one of them runs.
void PlanRunner::drop_captures() {
  if (captures_.empty()) return;
  shared_.stream.synchronize();
  captures_.clear();
}

// What was captured for these sizes, if nothing moved since.
bool PlanRunner::replay(size_t bucket, const SymbolValues& symbols) {
  if (captured_generation_ != shared_.workspace_generation) {
    drop_captures();
    captured_generation_ = shared_.workspace_generation;
  }
  auto it = captures_.find(symbols);
  if (it == captures_.end() || !it->second) return false;
  plan_steps(bucket, symbols);
  it->second->replay(shared_.stream);
  if (symbols != symbols_) fresh_ = false;
  for (int id : plan_.outputs) {
    const PlanValue& value = plan_.values[static_cast<size_t>(id)];
    if (value.kind == PlanValue::Kind::kWeight) continue;
    if (value.storage != kNoValue) refresh_value(value.storage, symbols);
    refresh_value(id, symbols);
  }
  return true;
}

// Records the steps instead of running them, the second time that these sizes come.
bool PlanRunner::capture(size_t bucket, const SymbolValues& symbols) {
  if (uncapturable_.count(bucket)) return false;
  if (captures_.size() >= kMostCaptures) drop_captures();
  if (captures_.try_emplace(symbols).second) return false;
  if (!shared_.device.begin_capture(shared_.stream)) return false;
  try {
    for (size_t s : orders_[bucket]) launch(s, bucket);
  } catch (...) {
    try {
      shared_.device.end_capture(shared_.stream);  // the stream must not stay in capture
    } catch (const Error&) {
      // The first error says what happened.
    }
    throw;
  }
  std::unique_ptr<CapturedGraph> graph = shared_.device.end_capture(shared_.stream);
  graph->replay(shared_.stream);
  captures_[symbols] = std::move(graph);
  return true;
}

void PlanRunner::plan_steps(size_t bucket, const SymbolValues& symbols) {
  const StepInfo info{symbols, [&](std::string_view name) -> const TensorView* {
                        auto it = shared_.host_inputs.find(name);
                        return it == shared_.host_inputs.end() ? nullptr : &it->second.view;
                      }};
  for (BoundStep& step : steps_) {
    if (step.instances[bucket]) step.instances[bucket]->step(info);
  }
}

void PlanRunner::submit(SymbolValues& symbols, bool want_capture) {
  shared_.device.activate();
  const size_t bucket = bucket_for(symbols);
  const bool capturing = want_capture && can_capture();
  if (capturing && replay(bucket, symbols)) return;
  if (!fresh_ || symbols != symbols_) refresh(symbols);
  prepare_bucket(bucket);
  plan_steps(bucket, symbols);
  if (!capturing || !capture(bucket, symbols)) run_steps(bucket, symbols);
}

DeviceTimer& PlanRunner::timer(size_t index) {
  timers_.resize(steps_.size());
  if (!timers_[index]) timers_[index] = shared_.device.make_timer();
  return *timers_[index];
}

void PlanRunner::enable_profile(bool on) {
  profiling_ = on;
  for (BoundStep& step : steps_) step.microseconds = 0;
}

std::vector<StepTiming> PlanRunner::profile() const {
  std::vector<StepTiming> out;
  for (size_t s = 0; s < steps_.size(); ++s) {
    if (steps_[s].microseconds <= 0) continue;
    std::set<std::string> kernels(steps_[s].kernels.begin(), steps_[s].kernels.end());
    kernels.erase("");  // buckets that did not run
    const PlanStep& step = step_at(s);
    const size_t own = plan_.steps.size();
    std::vector<size_t> covers = {s};
    if (s >= own) covers = fused_steps_[s - own].of->covers;
    out.push_back({step.op, fmt::format("{}", fmt::join(kernels, "+")), step.origin,
                   steps_[s].microseconds, std::move(covers)});
  }
  return out;
}

}  // namespace ingot
