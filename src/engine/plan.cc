#include "engine/plan.h"

#include <algorithm>

#include "base/check.h"
#include "base/checked.h"
#include "base/hash.h"
#include "base/json.h"

namespace ingot {

int Plan::find(std::string_view value_name) const {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].name == value_name) return static_cast<int>(i);
  }
  return kNoValue;
}

int Plan::root(int value) const {
  while (values[static_cast<size_t>(value)].storage != kNoValue) {
    value = values[static_cast<size_t>(value)].storage;
  }
  return value;
}

void PlanStateGroup::add(const ValueType& state) {
  const SymShape& shape = state.shape;
  const bool paged = shape.size() == 4 && is_constant({shape[1], shape[2], shape[3]});
  const BlockFormat* block = state.element.block;
  int64_t elements = block ? block->block_elements : 1;
  if (paged) {
    const int64_t dims[] = {shape[1].constant(), shape[3].constant()};
    elements = checked_elements(dims, name);
  }
  if (elements > kMostTokenBytes || (block && elements % block->block_elements != 0)) {
    fail(ErrorCode::kCorrupt, "engine/plan",
         "state group '{}': expected whole blocks of at most 2^40 elements, found a token of {}",
         name, elements);
  }
  const CheckedSize sum =
      CheckedSize(static_cast<uint64_t>(bytes_per_token), "a token's states") +
      static_cast<uint64_t>(std::max<int64_t>(1, state.element.bytes(elements)));
  if (sum.value() > kMostTokenBytes) {
    fail(ErrorCode::kCorrupt, "engine/plan",
         "state group '{}': expected at most 2^40 bytes a token, found {}", name, sum.value());
  }
  ++layers;
  page_tokens = paged ? shape[2].constant() : 1;
  bytes_per_token = static_cast<int64_t>(sum.value());
}

namespace {

std::string step_text(const Plan& plan, const PlanStep& step) {
  auto names = [&](const std::vector<int>& ids) {
    std::string out;
    for (int id : ids) {
      if (!out.empty()) out += ", ";
      out += id == kNoValue ? "-" : "%" + plan.values[static_cast<size_t>(id)].name;
    }
    return out;
  };
  std::string types;
  for (int id : step.outputs) {
    types += (types.empty() ? "" : ", ") + type_text(plan.values[static_cast<size_t>(id)].type);
  }
  const std::string attrs = step.attrs.empty() ? "" : " " + attrs_text(step.attrs);
  // A view's outputs lie in its first input.
  return fmt::format("  {} = {}{}({}){} : {}\n", names(step.outputs),
                     step.kind == StepKind::kView ? "view " : "", step.op, names(step.inputs),
                     attrs, types);
}

// Leaves what decides results.
void drop_presentation(Json& plan) {
  plan.erase("limits");
  plan.erase("buckets");
  if (plan.contains("steps")) {
    for (Json& step : plan["steps"]) step.erase("origin");
  }
  if (plan.contains("subplans")) {
    for (Json& sub : plan["subplans"]) drop_presentation(sub);
  }
}

}  // namespace

std::string plan_text(const Plan& plan) {
  std::string out = fmt::format("plan {}\n", plan.name);
  for (const PlanValue& value : plan.values) {
    if (value.kind == PlanValue::Kind::kActivation) continue;
    constexpr std::string_view kKinds[] = {"input", "state", "weight"};
    out += fmt::format("  {} %{} : {}", kKinds[static_cast<int>(value.kind)], value.name,
                       type_text(value.type));
    if (!value.group.empty()) out += fmt::format(" group {}", value.group);
    if (value.segments.size() > 1) out += fmt::format(" in {} pieces", value.segments.size());
    out += '\n';
  }
  for (const PlanStep& step : plan.steps) out += step_text(plan, step);
  out += "  return";
  for (int id : plan.outputs) out += " %" + plan.values[static_cast<size_t>(id)].name;
  out += '\n';
  for (const Plan& sub : plan.subplans) out += plan_text(sub);
  return out;
}

std::string plan_hash(const Plan& plan) {
  Json json = plan_to_json(plan);
  drop_presentation(json);
  return hash128(json.dump()).hex();  // fields in the order written, maps sorted
}

int PlanBuilder::input(std::string_view name, ElementType type, SymShape shape) {
  PlanValue value;
  value.kind = PlanValue::Kind::kInput;
  value.name = name;
  value.type = {type, std::move(shape)};
  plan_.values.push_back(std::move(value));
  plan_.inputs.push_back(static_cast<int>(plan_.values.size()) - 1);
  return plan_.inputs.back();
}

std::vector<int> PlanBuilder::step(std::string_view op, Attrs attrs, std::vector<int> inputs,
                                   size_t outputs) {
  const OpDef& def = get_op(op);
  std::vector<const ValueType*> types;
  for (int id : inputs) types.push_back(id == kNoValue ? nullptr : &type(id));
  const InferArgs args{op, types, attrs, [](size_t) { return nullptr; }, outputs};
  PlanStep step{StepKind::kKernel, std::string(op), attrs, inputs, {}, {}};
  for (ValueType& inferred : def.infer(args)) {
    PlanValue value;
    value.name = fmt::format("{}_{}", op, plan_.values.size());
    value.type = std::move(inferred);
    const int index = static_cast<int>(step.outputs.size());
    for (const Effects::Alias& alias : def.effects.aliases) {
      if (alias.output == index) value.storage = inputs[static_cast<size_t>(alias.input)];
    }
    step.outputs.push_back(static_cast<int>(plan_.values.size()));
    plan_.values.push_back(std::move(value));
  }
  plan_.steps.push_back(step);
  return step.outputs;
}

void PlanBuilder::output(int value, std::string_view name) {
  plan_.values[static_cast<size_t>(value)].name = name;
  plan_.outputs.push_back(value);
}

Plan PlanBuilder::finish(SymbolValues limits, std::vector<Bucket> buckets) {
  plan_.limits = std::move(limits);
  plan_.buckets = std::move(buckets);
  return std::move(plan_);
}

}  // namespace ingot
