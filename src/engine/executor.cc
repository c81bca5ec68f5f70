#include "engine/executor.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/knobs.h"
#include "engine/adapters.h"
#include "engine/plan_runner.h"

namespace ingot {

constexpr std::string_view kWhere = "engine/executor";

class Executor::Impl {
 public:
  Impl(std::shared_ptr<const Engine> engine, Device& device, ExecutorOptions options)
      : options_(std::move(options)),
        engine_(adapted(std::move(engine), options_.adapters)),
        shared_(*engine_, device, options_),
        runner_(shared_, engine_->plan) {
    LayoutVotes votes;
    runner_.vote_layouts(votes);
    shared_.layouts = votes.settle(knob_int("pack_budget_mb") << 20);
    for (int id : plan().inputs) {
      const PlanValue& value = plan().values[static_cast<size_t>(id)];
      if (const auto bytes = bytes_at(value.type, shared_.limits)) reserve(id, *bytes);
    }
    if (options_.weight_memory_limit > 0) shared_.weights.drop_all();
  }

  const Plan& plan() const { return engine_->plan; }

  int input_id(std::string_view name) const {
    for (int id : plan().inputs) {
      if (plan().values[static_cast<size_t>(id)].name == name) return id;
    }
    std::string known;
    for (int id : plan().inputs) known += " " + plan().values[static_cast<size_t>(id)].name;
    fail(ErrorCode::kInvalidArgument, kWhere, "no input named '{}'; inputs are:{}", name, known);
  }

  void reserve(int id, int64_t bytes) {
    const size_t size = std::max<size_t>(64, static_cast<size_t>(bytes));
    if (inputs_[id].size() >= size) return;
    inputs_[id] = Buffer();
    inputs_[id] = Buffer(shared_.device, size);
    runner_.bind_input(id, {DType::kUInt8, {static_cast<int64_t>(size)}, inputs_[id].data()});
  }

  void set_symbol(std::string_view name, int64_t value) {
    auto it = shared_.limits.find(name);
    if (it != shared_.limits.end() && value > it->second) {
      fail(ErrorCode::kInvalidArgument, kWhere, "'{}' is {}, the engine was loaded for at most {}",
           name, value, it->second);
    }
    if (value < 0) fail(ErrorCode::kInvalidArgument, kWhere, "'{}' is {}", name, value);
    symbols_[std::string(name)] = value;
  }

  void set_input(std::string_view name, const TensorView& host) {
    const int id = input_id(name);
    const PlanValue& value = plan().values[static_cast<size_t>(id)];
    SymbolValues found;
    match_symbols(name, value.type, host, found);
    for (const auto& [symbol, size] : found) set_symbol(symbol, size);
    shapes_[id] = host.shape;
    const int64_t bytes = host.bytes();
    reserve(id, bytes);
    CHECK(host.is_packed());
    if (!host.type.is_block() && !is_float(host.type.dtype)) {
      RunnerShared::HostInput& copy = shared_.host_inputs[value.name];
      copy.bytes.assign(host.data, host.data + bytes);
      copy.view = {host.type, host.shape, copy.bytes.data()};
    }
    shared_.device.copy_in(inputs_[id].data(), host.data, static_cast<size_t>(bytes),
                           *shared_.stream);
  }

  TensorView input_storage(std::string_view name) {
    const int id = input_id(name);
    const PlanValue& value = plan().values[static_cast<size_t>(id)];
    shapes_[id] = std::nullopt;  // the caller fills it, for whatever symbols it sets
    return {value.type.element, evaluate(value.type.shape, shared_.limits), inputs_[id].data()};
  }

  void run() {
    for (int id : plan().inputs) {
      const PlanValue& value = plan().values[static_cast<size_t>(id)];
      for (const Dim& dim : value.type.shape) {
        for (const std::string& symbol : dim.symbols()) {
          if (!symbols_.count(symbol)) {
            fail(ErrorCode::kInvalidArgument, kWhere, "input '{}' was not set", value.name);
          }
        }
      }
      check_shape(id, value);
    }
    // Limits fill in what no input determines (KV pages); steps must not see stale sizes.
    SymbolValues symbols = shared_.limits;
    for (const auto& [name, value] : symbols_) symbols[name] = value;
    shared_.iterations = 0;
    runner_.run(symbols);
  }

  // One symbol has one size: an input of another step must not be read past its end.
  void check_shape(int id, const PlanValue& value) const {
    auto it = shapes_.find(id);
    if (it == shapes_.end()) {
      fail(ErrorCode::kInvalidArgument, kWhere, "input '{}' was not set", value.name);
    }
    if (it->second && *it->second != evaluate(value.type.shape, symbols_)) {
      fail(ErrorCode::kInvalidArgument, kWhere, "input '{}' {}: expected {}, found {}", value.name,
           type_text(value.type), shape_text(evaluate(value.type.shape, symbols_)),
           shape_text(*it->second));
    }
  }

  TensorView value_view(int id) const {
    const PlanValue& value = plan().values[static_cast<size_t>(id)];
    if (value.kind == PlanValue::Kind::kWeight) {
      return const_cast<RunnerShared&>(shared_).weights.view(value, {})[0];
    }
    return runner_.view(id);
  }

  TensorView output(std::string_view name) const {
    for (int id : plan().outputs) {
      if (plan().values[static_cast<size_t>(id)].name == name) return value_view(id);
    }
    fail(ErrorCode::kInvalidArgument, kWhere, "no output named '{}'", name);
  }

  TensorView state(std::string_view name) const {
    for (int id : plan().states) {
      const PlanValue& value = plan().values[static_cast<size_t>(id)];
      if (value.name != name) continue;
      TensorView view = runner_.state_view(id);
      view.shape = evaluate(value.type.shape, shared_.limits);
      return view;
    }
    fail(ErrorCode::kInvalidArgument, kWhere, "no state named '{}'", name);
  }

  TensorView fetch(const TensorView& view, std::vector<std::byte>& memory) {
    if (shared_.device.host_visible()) return view;
    memory.resize(static_cast<size_t>(std::max<int64_t>(1, view.extent())));
    shared_.device.copy_out(memory.data(), view.data, static_cast<size_t>(view.extent()),
                            *shared_.stream);
    shared_.stream->synchronize();
    TensorView host = view;
    host.data = memory.data();
    return host;
  }

  MemoryUse memory() const {
    MemoryUse use;
    use.arena = runner_.memory().layout.total;
    use.arena_bound = runner_.memory().layout.bound;
    use.states = runner_.state_bytes();
    for (const auto& [id, buffer] : inputs_) use.inputs += static_cast<int64_t>(buffer.size());
    use.owned_weights = static_cast<int64_t>(shared_.weights.owned_bytes());
    use.text = memory_text(plan(), runner_.memory());
    return use;
  }

  RunnerShared& shared() { return shared_; }
  const RunnerShared& shared() const { return shared_; }
  PlanRunner& runner() { return runner_; }
  const PlanRunner& runner() const { return runner_; }

 private:
  static std::shared_ptr<const Engine> adapted(std::shared_ptr<const Engine> engine,
                                               const std::vector<Adapter>& adapters) {
    if (adapters.empty()) return engine;
    auto copy = std::make_shared<Engine>(*engine);
    apply_adapters(*copy, adapters);
    return copy;
  }

  ExecutorOptions options_;
  std::shared_ptr<const Engine> engine_;
  RunnerShared shared_;
  PlanRunner runner_;
  std::map<int, Buffer> inputs_;
  std::map<int, std::optional<Shape>> shapes_;  // of inputs as last set; nullopt: by the caller
  SymbolValues symbols_;
};

Executor::Executor(std::shared_ptr<const Engine> engine, Device& device, ExecutorOptions options)
    : impl_(std::make_unique<Impl>(std::move(engine), device, std::move(options))) {}
Executor::~Executor() = default;

const Plan& Executor::plan() const { return impl_->plan(); }
const SymbolValues& Executor::limits() const { return impl_->shared().limits; }
void Executor::set_input(std::string_view name, const TensorView& host) {
  impl_->set_input(name, host);
}
TensorView Executor::input_storage(std::string_view name) { return impl_->input_storage(name); }
void Executor::set_symbol(std::string_view name, int64_t value) { impl_->set_symbol(name, value); }
void Executor::run() { impl_->run(); }
TensorView Executor::output(std::string_view name) const { return impl_->output(name); }
TensorView Executor::output(size_t index) const {
  return impl_->value_view(impl_->plan().outputs.at(index));
}
TensorView Executor::fetch(const TensorView& view, std::vector<std::byte>& memory) {
  return impl_->fetch(view, memory);
}
TensorView Executor::state(std::string_view name) const { return impl_->state(name); }
void Executor::copy_within(std::byte* target, const std::byte* source, size_t bytes) {
  RunnerShared& shared = impl_->shared();
  shared.device.copy(target, source, bytes, *shared.stream);
}
std::vector<std::string> Executor::kernels_used() const {
  const auto& used = impl_->shared().kernels_used;
  return {used.begin(), used.end()};
}
void Executor::enable_profile(bool on) { impl_->runner().enable_profile(on); }
std::vector<StepTiming> Executor::profile() const { return impl_->runner().profile(); }
Executor::MemoryUse Executor::memory() const { return impl_->memory(); }

}  // namespace ingot
