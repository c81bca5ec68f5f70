#include "engine/adapters.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "engine/adapters";

int add_tensor_value(Engine& engine, const std::string& name, const TensorView& view) {
  const int tensor = static_cast<int>(engine.plan.tensors.size());
  engine.plan.tensors.push_back({name, view.type, view.shape});
  engine.tensors.emplace_back(view.data, static_cast<size_t>(view.bytes()));
  PlanValue value;
  value.kind = PlanValue::Kind::kWeight;
  value.name = name;
  value.type = {view.type, sym_shape(view.shape)};
  value.segments = {tensor};
  engine.plan.values.push_back(std::move(value));
  return static_cast<int>(engine.plan.values.size()) - 1;
}

// First row of `tensor` inside the weight, or -1.
int64_t row_offset(const Plan& plan, const PlanValue& weight, const std::string& tensor,
                   int64_t& rows) {
  int64_t row = 0;
  for (int id : weight.segments) {
    const PlanTensor& piece = plan.tensors[static_cast<size_t>(id)];
    rows = piece.shape.empty() ? 0 : piece.shape[0];
    if (piece.name == tensor) return row;
    row += rows;
  }
  return -1;
}

}  // namespace

void apply_adapters(Engine& engine, const std::vector<Adapter>& adapters) {
  Plan& plan = engine.plan;
  for (const Adapter& adapter : adapters) {
    bool found = false;
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      if (plan.steps[s].op != "linear") continue;
      const PlanStep linear = plan.steps[s];
      const PlanValue weight = plan.values[static_cast<size_t>(linear.inputs[1])];
      int64_t rows = 0;
      const int64_t offset = row_offset(plan, weight, adapter.tensor, rows);
      if (offset < 0) continue;
      const bool fits = adapter.a.shape.size() == 2 && adapter.b.shape.size() == 2 &&
                        Dim(adapter.a.shape[1]) == weight.type.shape[1] &&
                        adapter.b.shape[0] == rows && adapter.b.shape[1] == adapter.a.shape[0];
      if (!fits) {
        fail(ErrorCode::kInvalidArgument, kWhere, "adapter for '{}': a {} and b {} do not fit {}",
             adapter.tensor, shape_text(adapter.a.shape), shape_text(adapter.b.shape),
             type_text(weight.type));
      }
      const std::string base = fmt::format("{}.lora{}", adapter.tensor, plan.values.size());
      const int a = add_tensor_value(engine, base + ".a", adapter.a);
      const int b = add_tensor_value(engine, base + ".b", adapter.b);
      PlanValue updated = plan.values[static_cast<size_t>(linear.outputs[0])];
      const int old = linear.outputs[0];
      updated.name = base + ".out";
      updated.storage = old;
      updated.column_offset = 0;
      const int out = static_cast<int>(plan.values.size());
      plan.values.push_back(std::move(updated));
      for (size_t later = s + 1; later < plan.steps.size(); ++later) {
        for (int& id : plan.steps[later].inputs) id = id == old ? out : id;
      }
      for (int& id : plan.outputs) id = id == old ? out : id;
      PlanStep delta{StepKind::kKernel, "lora_delta", {}, {old, linear.inputs[0], a, b}, {out}, {}};
      delta.attrs["offset"] = offset;
      delta.attrs["scale"] = adapter.scale;
      plan.steps.insert(plan.steps.begin() + static_cast<int64_t>(s) + 1, std::move(delta));
      found = true;
      ++s;
    }
    if (!found) {
      fail(ErrorCode::kInvalidArgument, kWhere,
           "adapter for '{}': no linear layer uses that tensor", adapter.tensor);
    }
  }
}

}  // namespace ingot
