#include "engine/executor.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/knobs.h"
#include "base/log.h"
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
    CHECK_GT(options_.runs_ahead, 0u);
    passed_.resize(options_.runs_ahead + 1);
    for (auto& event : passed_) event = device.make_event();
    for (int id : plan().inputs) {
      Input& input = inputs_.emplace_back(id, plan().values[static_cast<size_t>(id)]);
      input.staging.resize(passed_.size());
      if (const auto bytes = bytes_at(input.value.type, shared_.limits)) reserve(input, *bytes);
    }
    if (options_.weight_memory_limit > 0) shared_.weights.drop_all();
  }

  ~Impl() {
    try {
      shared_.stream.synchronize();  // nothing may read what goes away
    } catch (const Error& error) {
      spdlog::error("{}: {}", kWhere, error.what());
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const Plan& plan() const { return engine_->plan; }

  void set_symbol(std::string_view name, int64_t value) {
    auto it = shared_.limits.find(name);
    if (it != shared_.limits.end() && value > it->second) {
      fail(ErrorCode::kInvalidArgument, kWhere, "'{}' is {}, the engine was loaded for at most {}",
           name, value, it->second);
    }
    if (value < 0) fail(ErrorCode::kInvalidArgument, kWhere, "'{}' is {}", name, value);
    if (auto known = symbols_.find(name); known != symbols_.end()) {
      known->second = value;
    } else {
      symbols_.emplace(name, value);
    }
  }

  // Runs several times a step: an input that has the shape of the last time allocates nothing.
  void set_input(std::string_view name, const TensorView& host) {
    Input& input = find_input(name);
    if (input.shape == host.shape && input.value.type.element == host.type) {
      for (const auto& [symbol, size] : input.matched) set_symbol(symbol, size);
    } else {
      SymbolValues found;
      match_symbols(name, input.value.type, host, found);
      for (const auto& [symbol, size] : found) set_symbol(symbol, size);
      input.matched = std::move(found);
      input.shape = host.shape;
    }
    input.given = true;
    const int64_t bytes = host.bytes();
    reserve(input, bytes);
    CHECK(host.is_packed());
    copy_in(input, host.data, static_cast<size_t>(bytes));
    if (!host.type.is_block() && !is_float(host.type.dtype)) show_host(input, host);
  }

  void share_input(std::string_view name, const TensorView& device) {
    Input& input = find_input(name);
    if (!(device.type == input.value.type.element)) {
      fail(ErrorCode::kInvalidArgument, kWhere, "input '{}': expected {}, found {}", name,
           input.value.type.element.name(), device.type.name());
    }
    input.given = true;
    input.shape = std::nullopt;
    input.buffer = Buffer();
    runner_.bind_input(input.id, device);
  }

  TensorView input_storage(std::string_view name) {
    Input& input = find_input(name);
    input.given = true;
    input.shape = std::nullopt;  // the caller fills it, for whatever symbols it sets
    return {input.value.type.element, evaluate(input.value.type.shape, shared_.limits),
            input.buffer.data()};
  }

  void run() {
    submit(options_.capture);
    shared_.stream.synchronize();
  }

  void submit(bool capture) {
    for (const Input& input : inputs_) {
      for (const std::string& symbol : input.symbols) {
        if (!symbols_.count(symbol)) not_set(input);
      }
      check_shape(input);
    }
    // Limits fill in what no input determines (KV pages); steps must not see stale sizes.
    run_symbols_ = shared_.limits;
    for (const auto& [name, value] : symbols_) run_symbols_[name] = value;
    shared_.iterations = 0;
    runner_.submit(run_symbols_, capture);
    // Copies out of this turn's host memory are behind us when the event is.
    passed_[turn_]->record(shared_.stream);
    turn_ = (turn_ + 1) % passed_.size();
    passed_[turn_]->synchronize();
  }

  TensorView value_view(int id) const {
    const PlanValue& value = plan().values[static_cast<size_t>(id)];
    if (value.kind == PlanValue::Kind::kWeight) {
      return const_cast<RunnerShared&>(shared_).weights.view(value, {})[0];
    }
    return runner_.view(id);
  }

  int output_id(std::string_view name) const {
    for (int id : plan().outputs) {
      if (plan().values[static_cast<size_t>(id)].name == name) return id;
    }
    fail(ErrorCode::kInvalidArgument, kWhere, "no output named '{}'", name);
  }

  TensorView output_storage(std::string_view name) const {
    const int id = output_id(name);
    TensorView view = runner_.memory_view(id);
    CHECK(view.present());
    view.shape = evaluate(plan().values[static_cast<size_t>(id)].type.shape, shared_.limits);
    return view;
  }

  TensorView state(std::string_view name) const {
    for (int id : plan().states) {
      const PlanValue& value = plan().values[static_cast<size_t>(id)];
      if (value.name != name) continue;
      TensorView view = runner_.memory_view(id);
      view.shape = evaluate(value.type.shape, shared_.limits);
      return view;
    }
    fail(ErrorCode::kInvalidArgument, kWhere, "no state named '{}'", name);
  }

  TensorView fetch(const TensorView& view, std::vector<std::byte>& memory) {
    if (shared_.device.host_visible()) return view;
    memory.resize(static_cast<size_t>(std::max<int64_t>(1, view.extent())));
    shared_.device.copy_out(memory.data(), view.data, static_cast<size_t>(view.extent()),
                            shared_.stream);
    shared_.stream.synchronize();
    TensorView host = view;
    host.data = memory.data();
    return host;
  }

  MemoryUse memory() const {
    MemoryUse use;
    use.arena = runner_.memory().layout.total;
    use.arena_bound = runner_.memory().layout.bound;
    use.states = runner_.state_bytes();
    for (const Input& input : inputs_) use.inputs += static_cast<int64_t>(input.buffer.size());
    use.owned_weights = static_cast<int64_t>(shared_.weights.owned_bytes());
    use.text = memory_text(plan(), runner_.memory());
    return use;
  }

  RunnerShared& shared() { return shared_; }
  const RunnerShared& shared() const { return shared_; }
  PlanRunner& runner() { return runner_; }
  const PlanRunner& runner() const { return runner_; }

 private:
  struct Input {
    Input(int i, const PlanValue& v) : id(i), value(v) {
      std::set<std::string> names;
      for (const Dim& dim : v.type.shape) {
        for (std::string& symbol : dim.symbols()) names.insert(std::move(symbol));
      }
      symbols.assign(names.begin(), names.end());
    }
    int id;
    const PlanValue& value;
    std::vector<std::string> symbols;  // that its shape depends on
    Buffer buffer;                     // empty while it is shared
    // On their way to a device apart: they take turns, so that the next step's value can be written
    // while this one's is copied.
    std::vector<HostBuffer> staging;
    bool given = false;          // by set_input or input_storage
    std::optional<Shape> shape;  // of the last set_input; nullopt: the caller fills the storage
    SymbolValues matched;        // what that shape says of symbols
    RunnerShared::HostInput* host = nullptr;  // where kernels that plan on the host find it
  };

  Input& find_input(std::string_view name) {
    for (Input& input : inputs_) {
      if (input.value.name == name) return input;
    }
    std::string known;
    for (const Input& input : inputs_) known += " " + input.value.name;
    fail(ErrorCode::kInvalidArgument, kWhere, "no input named '{}'; inputs are:{}", name, known);
  }

  void reserve(Input& input, int64_t bytes) {
    const size_t size = std::max<size_t>(64, static_cast<size_t>(bytes));
    if (input.buffer.size() >= size) return;
    input.buffer = Buffer();
    input.buffer = Buffer(shared_.device, size);
    runner_.bind_input(input.id,
                       {DType::kUInt8, {static_cast<int64_t>(size)}, input.buffer.data()});
  }

  void copy_in(Input& input, const std::byte* source, size_t bytes) {
    if (bytes == 0) return;
    if (!shared_.device.host_visible()) {
      HostBuffer& buffer = input.staging[turn_];
      if (buffer.size() < bytes) buffer = HostBuffer(shared_.device, input.buffer.size());
      std::memcpy(buffer.data(), source, bytes);
      source = buffer.data();
    }
    shared_.device.copy_in(input.buffer.data(), source, bytes, shared_.stream);
  }

  // What the host can read is shown where it lies; a copy is kept of the rest.
  void show_host(Input& input, const TensorView& host) {
    if (!input.host) input.host = &shared_.host_inputs[input.value.name];
    TensorView& view = input.host->view;
    if (shared_.device.host_visible()) {
      view.data = input.buffer.data();
    } else {
      input.host->bytes.assign(host.data, host.data + host.bytes());
      view.data = input.host->bytes.data();
    }
    view.type = host.type;
    view.shape = host.shape;
  }

  [[noreturn]] static void not_set(const Input& input) {
    fail(ErrorCode::kInvalidArgument, kWhere, "input '{}' was not set", input.value.name);
  }

  // One symbol has one size: an input of another step must not be read past its end.
  void check_shape(const Input& input) const {
    if (!input.given) not_set(input);
    if (!input.shape) return;
    const SymShape& expected = input.value.type.shape;
    bool same = true;
    for (size_t d = 0; d < expected.size(); ++d) {
      same = same && (*input.shape)[d] == expected[d].evaluate(symbols_);
    }
    if (same) return;
    fail(ErrorCode::kInvalidArgument, kWhere, "input '{}' {}: expected {}, found {}",
         input.value.name, type_text(input.value.type), shape_text(evaluate(expected, symbols_)),
         shape_text(*input.shape));
  }

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
  std::vector<Input> inputs_;                   // in the plan's order
  std::vector<std::unique_ptr<Event>> passed_;  // after the runs that read staging[turn]
  size_t turn_ = 0;
  SymbolValues symbols_;
  SymbolValues run_symbols_;  // symbols_ and limits, during a run
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
void Executor::share_input(std::string_view name, const TensorView& device) {
  impl_->share_input(name, device);
}
void Executor::run() { impl_->run(); }
void Executor::submit(bool capture) { impl_->submit(capture); }
Stream& Executor::stream() { return impl_->shared().stream; }
TensorView Executor::output(std::string_view name) const {
  return impl_->value_view(impl_->output_id(name));
}
TensorView Executor::output_storage(std::string_view name) const {
  return impl_->output_storage(name);
}
TensorView Executor::output(size_t index) const {
  return impl_->value_view(impl_->plan().outputs.at(index));
}
TensorView Executor::fetch(const TensorView& view, std::vector<std::byte>& memory) {
  return impl_->fetch(view, memory);
}
TensorView Executor::state(std::string_view name) const { return impl_->state(name); }
void Executor::copy_within(std::byte* target, const std::byte* source, size_t bytes) {
  RunnerShared& shared = impl_->shared();
  shared.device.copy(target, source, bytes, shared.stream);
}
std::vector<std::string> Executor::kernels_used() const {
  const auto& used = impl_->shared().kernels_used;
  return {used.begin(), used.end()};
}
void Executor::enable_profile(bool on) { impl_->runner().enable_profile(on); }
std::vector<StepTiming> Executor::profile() const { return impl_->runner().profile(); }
Executor::MemoryUse Executor::memory() const { return impl_->memory(); }

}  // namespace ingot
