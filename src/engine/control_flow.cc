// If and Loop. Their results have sizes known only when they have run, so they live on the host
// heap.
//
//   if:   inputs cond, captures...; attributes then_graph, else_graph; both bodies take the
//   captures. loop: inputs trip count (int64, optional), condition (bool, optional), carried...,
//   captures...;
//         attributes body_graph, carried (how many). The body takes iteration, condition,
//         carried..., captures... and gives condition, carried..., scans...; scans are stacked
//         along a new axis 0.
#include <algorithm>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "engine/plan_runner.h"

namespace ingot {
namespace {

// A tensor that owns its bytes between iterations.
struct HostTensor {
  TensorView view;
  std::vector<std::byte> bytes;
  explicit HostTensor(const TensorView& source) : view(source) {
    const int64_t row = source.type.bytes(source.columns());
    bytes.resize(static_cast<size_t>(std::max<int64_t>(1, row * source.rows())));
    for (int64_t r = 0; r < source.rows(); ++r) {
      std::memcpy(bytes.data() + r * row, source.row(r), static_cast<size_t>(row));
    }
    view.data = bytes.data();
    view.row_stride = 0;
  }
  HostTensor(HostTensor&&) = default;
  HostTensor& operator=(HostTensor&&) = default;
};

// Sizes of one scanned element when there is none to look at; 0 where nothing tells.
Shape known_sizes(const SymShape& stacked, const SymbolValues& symbols) {
  Shape out;
  for (size_t d = 1; d < stacked.size(); ++d) {
    const std::vector<std::string> names = stacked[d].symbols();
    const bool known = std::all_of(names.begin(), names.end(),
                                   [&](const std::string& name) { return symbols.count(name); });
    out.push_back(known ? stacked[d].evaluate(symbols) : 0);
  }
  return out;
}

int64_t scalar(const TensorView& view, const PlanStep& step) {
  if (!view.present() || view.elements() != 1) {
    fail(ErrorCode::kInvalidArgument, "engine/control_flow",
         "step '{}' {}: expected one value, found {}", step.op, step.origin,
         shape_text(view.shape));
  }
  return load_index(view, 0);
}

}  // namespace

// Arenas and kernels are sized for the limits, which the sizes found by control flow must keep.
void PlanRunner::check_size(const PlanStep& step, const std::string& symbol, int64_t size) const {
  const auto limit = shared_.limits.find(symbol);
  const int64_t most = limit == shared_.limits.end() ? shared_.most_size : limit->second;
  if (size <= most) return;
  fail(ErrorCode::kInvalidArgument, "engine/control_flow",
       "step '{}' {}: a result of size {}, the limit is {} (INGOT_LOOP_SIZES)", step.op,
       step.origin, size, most);
}

void PlanRunner::check_sizes(const PlanStep& step, const ValueType& type,
                             const SymbolValues& symbols) const {
  for (const Dim& dim : type.shape) {
    for (const std::string& name : dim.symbols()) {
      const auto size = symbols.find(name);
      if (size != symbols.end()) check_size(step, name, size->second);
    }
  }
}

// Before it is collected, not after.
void PlanRunner::check_scan(const PlanStep& step, size_t output, int64_t count) const {
  const SymShape& shape = plan_.values[static_cast<size_t>(step.outputs[output])].type.shape;
  const auto names = shape.empty() ? std::vector<std::string>() : shape[0].symbols();
  if (!names.empty()) check_size(step, names[0], count);
}

void PlanRunner::find_told() {
  auto tell = [&](int id, size_t at) {
    for (const Dim& dim : plan_.values[static_cast<size_t>(id)].type.shape) {
      if (dim.is_constant()) continue;
      const std::string name = dim.symbols()[0];
      if (dim == Dim::symbol(name)) told_at_.try_emplace(name, at);
    }
  };
  for (int id : plan_.inputs) tell(id, 0);
  for (size_t s = 0; s < plan_.steps.size(); ++s) {
    const StepKind kind = plan_.steps[s].kind;
    if (kind != StepKind::kIf && kind != StepKind::kLoop) continue;
    for (int id : plan_.steps[s].outputs) tell(id, s + 1);
  }
}

// Every size that follows from symbols told up to `until`: what is computed from it later (memory,
// shapes of other values) trusts the declaration.
void PlanRunner::check_declared(const PlanStep& step, const PlanValue& value,
                                const TensorView& view, size_t until,
                                const SymbolValues& symbols) const {
  for (size_t d = 0; d < value.type.shape.size(); ++d) {
    const Dim& dim = value.type.shape[d];
    const std::vector<std::string> names = dim.symbols();
    const bool known = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
      const auto at = told_at_.find(name);
      return at != told_at_.end() && at->second <= until && symbols.count(name);
    });
    if (!known || dim.evaluate(symbols) == view.shape[d]) continue;
    fail(ErrorCode::kInvalidArgument, "engine/control_flow",
         "step '{}' {}: '{}' is declared {}: expected size {} along axis {}, found {}", step.op,
         step.origin, value.name, type_text(value.type), dim.evaluate(symbols), d, view.shape[d]);
  }
}

void PlanRunner::count_iteration(const PlanStep& step) {
  if (++shared_.iterations <= shared_.most_iterations) return;
  fail(ErrorCode::kInvalidArgument, "engine/control_flow",
       "step '{}' {}: more than {} iterations in one run (INGOT_LOOP_ITERATIONS)", step.op,
       step.origin, shared_.most_iterations);
}

std::vector<TensorView> PlanRunner::call(const PlanStep& step, int64_t subplan,
                                         const std::vector<TensorView>& inputs,
                                         const SymbolValues& symbols) {
  PlanRunner& body = *bodies_.at(static_cast<size_t>(subplan));
  CHECK_EQ(body.plan_.inputs.size(), inputs.size());
  SymbolValues inner = symbols;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const PlanValue& value = body.plan_.values[static_cast<size_t>(body.plan_.inputs[i])];
    match_symbols(value.name, value.type, inputs[i], inner);
    check_sizes(step, value.type, inner);
    body.bind_input(body.plan_.inputs[i], inputs[i]);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const PlanValue& value = body.plan_.values[static_cast<size_t>(body.plan_.inputs[i])];
    body.check_declared(step, value, inputs[i], 0, inner);
  }
  body.submit(inner, false);
  shared_.stream.synchronize();
  std::vector<TensorView> out;
  for (int id : body.plan_.outputs) {
    const bool weight = body.plan_.values[static_cast<size_t>(id)].kind == PlanValue::Kind::kWeight;
    out.push_back(weight ? shared_.weights.view(body.plan_.values[static_cast<size_t>(id)], {})[0]
                         : body.view(id));
  }
  return out;
}

void PlanRunner::set_dynamic(const PlanStep& step, int value, const TensorView& source,
                             SymbolValues& symbols) {
  HostTensor copy(source);
  std::vector<std::byte>& memory = dynamic_[value];
  memory = std::move(copy.bytes);
  TensorView view = copy.view;
  view.data = memory.data();
  views_[static_cast<size_t>(value)] = view;
  bases_[static_cast<size_t>(value)] = view.data;
  const PlanValue& info = plan_.values[static_cast<size_t>(value)];
  match_symbols(info.name, info.type, view, symbols);
  check_sizes(step, info.type, symbols);
}

void PlanRunner::run_if(const PlanStep& step, SymbolValues& symbols) {
  const BoundStep& bound = steps_[static_cast<size_t>(&step - plan_.steps.data())];
  const bool condition = scalar(bound.inputs[0], step) != 0;
  const auto body = attr_or<int64_t>(step.attrs, condition ? "then_graph" : "else_graph", 0);
  const std::vector<TensorView> captures(bound.inputs.begin() + 1, bound.inputs.end());
  const std::vector<TensorView> results = call(step, body, captures, symbols);
  CHECK_EQ(results.size(), step.outputs.size());
  for (size_t i = 0; i < results.size(); ++i)
    set_dynamic(step, step.outputs[i], results[i], symbols);
}

void PlanRunner::run_loop(const PlanStep& step, SymbolValues& symbols) {
  const BoundStep& bound = steps_[static_cast<size_t>(&step - plan_.steps.data())];
  const auto carried = static_cast<size_t>(attr_or<int64_t>(step.attrs, "carried", 0));
  const auto body = attr_or<int64_t>(step.attrs, "body_graph", 0);
  CHECK_LE(2 + carried, bound.inputs.size());
  const int64_t trips = bound.inputs[0].present() ? scalar(bound.inputs[0], step)
                                                  : std::numeric_limits<int64_t>::max();
  bool go_on = !bound.inputs[1].present() || scalar(bound.inputs[1], step) != 0;
  std::vector<HostTensor> state;
  state.reserve(carried);
  for (size_t i = 0; i < carried; ++i) state.emplace_back(bound.inputs[2 + i]);
  const size_t scans = step.outputs.size() - carried;
  std::vector<std::vector<std::byte>> stacked(scans);
  std::vector<Shape> scan_shapes(scans);
  int64_t done = 0;
  for (; go_on && done < trips; ++done) {
    count_iteration(step);
    for (size_t i = 0; i < scans; ++i) check_scan(step, carried + i, done + 1);
    int64_t iteration = done;
    uint8_t condition = 1;
    std::vector<TensorView> inputs = {{DType::kInt64, {}, reinterpret_cast<std::byte*>(&iteration)},
                                      {DType::kBool, {}, reinterpret_cast<std::byte*>(&condition)}};
    for (const HostTensor& tensor : state) inputs.push_back(tensor.view);
    inputs.insert(inputs.end(), bound.inputs.begin() + 2 + static_cast<int64_t>(carried),
                  bound.inputs.end());
    const std::vector<TensorView> results = call(step, body, inputs, symbols);
    CHECK_EQ(results.size(), 1 + carried + scans);
    go_on = scalar(results[0], step) != 0;
    std::vector<HostTensor> next;
    next.reserve(carried);
    for (size_t i = 0; i < carried; ++i) next.emplace_back(results[1 + i]);
    for (size_t i = 0; i < scans; ++i) {
      const HostTensor scan(results[1 + carried + i]);
      const auto bytes = static_cast<size_t>(scan.view.bytes());
      stacked[i].insert(stacked[i].end(), scan.bytes.begin(),
                        scan.bytes.begin() + static_cast<int64_t>(bytes));
      scan_shapes[i] = scan.view.shape;
    }
    state = std::move(next);
  }
  for (size_t i = 0; i < carried; ++i) set_dynamic(step, step.outputs[i], state[i].view, symbols);
  for (size_t i = 0; i < scans; ++i) {
    const int id = step.outputs[carried + i];
    const ValueType& type = plan_.values[static_cast<size_t>(id)].type;
    Shape shape = done > 0 ? scan_shapes[i] : known_sizes(type.shape, symbols);
    shape.insert(shape.begin(), done);
    stacked[i].resize(std::max<size_t>(1, stacked[i].size()));
    set_dynamic(step, id, {type.element, shape, stacked[i].data()}, symbols);
  }
}

void PlanRunner::run_control(size_t index, SymbolValues& symbols) {
  const PlanStep& step = plan_.steps[index];
  const SymbolValues before = symbols;  // results set those that stand alone in their shapes
  fill_step(index);
  if (step.kind == StepKind::kIf) {
    run_if(step, symbols);
  } else {
    run_loop(step, symbols);
  }
  for (int id : step.outputs) {
    const PlanValue& value = plan_.values[static_cast<size_t>(id)];
    check_declared(step, value, views_[static_cast<size_t>(id)], 0, before);
    check_declared(step, value, views_[static_cast<size_t>(id)], index + 1, symbols);
  }
  // Later steps see the sizes that this one found.
  refresh(symbols);
}

}  // namespace ingot
