// Plans to JSON and back. Loading trusts nothing: the bytes may come from a stranger's file.
#include <cmath>
#include <map>
#include <set>

#include "base/checked.h"
#include "base/json.h"
#include "engine/plan.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "engine/plan";
constexpr std::string_view kFile = "plan section";
constexpr std::string_view kValueKinds[] = {"input", "state", "weight", "activation"};
constexpr std::string_view kStepKinds[] = {"kernel", "host", "view", "if", "loop"};
constexpr int kMaxSubplanDepth = 16;

[[noreturn]] void corrupt(const std::string& message) {
  fail(ErrorCode::kCorrupt, kWhere, "{}: {}", kFile, message);
}

template <size_t N>
int kind_index(const std::string_view (&names)[N], const std::string& name, std::string_view what) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<int>(i);
  }
  corrupt(fmt::format("{}: unknown kind '{}'", what, name));
}

Json type_to_json(const ValueType& type) {
  Json shape = Json::array();
  for (const Dim& dim : type.shape) {
    if (dim.is_constant()) {
      shape.push_back(dim.constant());
    } else {
      shape.push_back(dim.text());
    }
  }
  Json out = {{"element", type.element.name()}, {"shape", shape}};
  if (type.state) out["state"] = true;
  return out;
}

ValueType type_from_json(const Json& json) {
  ValueType type;
  type.element = parse_element_type(json_require<std::string>(json, "element", kWhere, kFile));
  type.state = json_get<bool>(json, "state", false, kWhere, kFile);
  auto shape = json.find("shape");
  if (shape == json.end() || !shape->is_array()) corrupt("a type has no shape");
  for (const Json& dim : *shape) {
    if (dim.is_number_integer() && dim.get<int64_t>() >= 0) {
      type.shape.emplace_back(dim.get<int64_t>());
    } else if (dim.is_string()) {
      type.shape.push_back(Dim::parse(dim.get<std::string>()));
    } else {
      corrupt("a dimension is neither a size nor an expression");
    }
  }
  if (const BlockFormat* block = type.element.block) {
    const bool whole = !type.shape.empty() && type.shape.back().is_constant() &&
                       type.shape.back().constant() % block->block_elements == 0;
    if (!whole) corrupt(fmt::format("{}: columns are not whole blocks", type_text(type)));
  }
  return type;
}

std::vector<int> indices(const Json& json, std::string_view key, size_t limit, bool allow_absent) {
  std::vector<int> out;
  for (int64_t id : json_get<std::vector<int64_t>>(json, key, {}, kWhere, kFile)) {
    if (id >= static_cast<int64_t>(limit) || id < (allow_absent ? -1 : 0)) {
      corrupt(fmt::format("'{}': index {} of {}", key, id, limit));
    }
    out.push_back(static_cast<int>(id));
  }
  return out;
}

SymbolValues symbols_from_json(const Json& json) {
  SymbolValues out;
  if (!json.is_object()) corrupt("symbol values are not an object");
  for (const auto& [name, value] : json.items()) {
    if (!value.is_number_integer() || value.get<int64_t>() < 0) {
      corrupt(fmt::format("symbol '{}' has no size", name));
    }
    out[name] = value.get<int64_t>();
    // Tokens, rows and pages are counted in 31 bits; products of them must not overflow.
    if (out[name] > int64_t{1} << 31) {
      corrupt(fmt::format("symbol '{}' is {}, more than 2^31", name, out[name]));
    }
  }
  return out;
}

Json value_to_json(const PlanValue& value) {
  Json out = {{"name", value.name},
              {"kind", std::string(kValueKinds[static_cast<int>(value.kind)])},
              {"type", type_to_json(value.type)}};
  if (value.storage != kNoValue) out["storage"] = value.storage;
  if (value.column_offset != 0) out["column_offset"] = value.column_offset;
  if (!value.segments.empty()) out["segments"] = value.segments;
  if (value.shard_axis >= 0) out["shard_axis"] = value.shard_axis;
  if (!value.group.empty()) out["group"] = value.group;
  return out;
}

PlanValue value_from_json(const Json& json, size_t index, size_t tensors) {
  PlanValue value;
  value.name = json_require<std::string>(json, "name", kWhere, kFile);
  value.kind = static_cast<PlanValue::Kind>(
      kind_index(kValueKinds, json_require<std::string>(json, "kind", kWhere, kFile), value.name));
  value.type = type_from_json(json.contains("type") ? json["type"] : Json());
  const int64_t storage = json_get<int64_t>(json, "storage", kNoValue, kWhere, kFile);
  if (storage < kNoValue || storage >= static_cast<int64_t>(index)) {
    corrupt(fmt::format("value '{}': storage {} does not come before it", value.name, storage));
  }
  value.storage = static_cast<int>(storage);
  value.column_offset = json_get<int64_t>(json, "column_offset", 0, kWhere, kFile);
  value.segments = indices(json, "segments", tensors, false);
  value.shard_axis = static_cast<int>(json_get<int64_t>(json, "shard_axis", -1, kWhere, kFile));
  value.group = json_get<std::string>(json, "group", "", kWhere, kFile);
  return value;
}

// A weight's pieces must add up to its type.
void check_weight(const PlanValue& value, const std::vector<PlanTensor>& tensors) {
  if (!is_constant(value.type.shape) || value.segments.empty()) {
    corrupt(fmt::format("weight '{}' has no pieces or no fixed shape", value.name));
  }
  const Shape shape = evaluate(value.type.shape, {});
  checked_elements(shape, value.name);
  int64_t rows = 0;
  for (int id : value.segments) {
    const PlanTensor& tensor = tensors[static_cast<size_t>(id)];
    const bool same_rank = tensor.shape.size() == shape.size() && tensor.type == value.type.element;
    const bool same_row = same_rank && (shape.empty() || std::equal(shape.begin() + 1, shape.end(),
                                                                    tensor.shape.begin() + 1));
    if (!same_row) {
      corrupt(fmt::format("weight '{}': piece '{}' does not fit", value.name, tensor.name));
    }
    const PlanTensor& first = tensors[static_cast<size_t>(value.segments[0])];
    if (tensor.random.has_value() != first.random.has_value()) {
      corrupt(fmt::format("weight '{}': only some of its pieces are random", value.name));
    }
    rows += shape.empty() ? 0 : tensor.shape[0];
  }
  if (!shape.empty() && rows != shape[0]) {
    corrupt(
        fmt::format("weight '{}': pieces have {} rows, expected {}", value.name, rows, shape[0]));
  }
}

// A view must lie inside its storage for every value of the symbols: rows equal, columns constant.
void check_view(const Plan& plan, const PlanValue& value) {
  if (value.storage == kNoValue) return;
  const PlanValue& base = plan.values[static_cast<size_t>(value.storage)];
  const bool memory =
      value.kind == PlanValue::Kind::kActivation &&
      plan.values[static_cast<size_t>(plan.root(value.storage))].kind != PlanValue::Kind::kWeight;
  if (!memory) corrupt(fmt::format("value '{}' cannot share the memory it names", value.name));
  bool fits =
      value.type.element == base.type.element && value.type.shape.size() == base.type.shape.size();
  if (fits && !value.type.shape.empty()) {
    fits =
        std::equal(value.type.shape.begin(), value.type.shape.end() - 1, base.type.shape.begin());
    const Dim& width = value.type.shape.back();
    const Dim& whole = base.type.shape.back();
    if (fits && !(width == whole)) {
      fits = width.is_constant() && whole.is_constant() && value.column_offset >= 0 &&
             value.column_offset <= whole.constant() - width.constant();
    } else {
      fits = fits && value.column_offset == 0;
    }
  }
  if (!fits) {
    corrupt(fmt::format("value '{}': {} is not a view of {}", value.name, type_text(value.type),
                        type_text(base.type)));
  }
}

// A view launches nothing: its results must lie in its input, side by side.
void check_view_step(const Plan& plan, const PlanStep& step) {
  int64_t column = 0;
  for (int id : step.outputs) {
    const PlanValue& value = plan.values[static_cast<size_t>(id)];
    const bool placed = !step.inputs.empty() && step.inputs[0] != kNoValue &&
                        value.storage == step.inputs[0] && value.column_offset == column &&
                        !value.type.shape.empty() && value.type.shape.back().is_constant();
    if (!placed) {
      corrupt(fmt::format("step '{}': '{}' does not lie in its input", step.op, value.name));
    }
    column += value.type.shape.back().constant();
  }
}

// Memory that is written by others than its owner, and weights that are read whole.
void check_operands(const Plan& plan, const PlanStep& step, const Effects& effects) {
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    const PlanValue& value = plan.values[static_cast<size_t>(step.outputs[i])];
    const bool aliased =
        std::any_of(effects.aliases.begin(), effects.aliases.end(),
                    [&](const auto& alias) { return alias.output == static_cast<int>(i); });
    if (value.storage != kNoValue && !aliased) {
      corrupt(
          fmt::format("step '{}': '{}' lies in the memory of another value", step.op, value.name));
    }
  }
  // Vectors are gathered when they are loaded.
  if (get_op(step.op).weight_pieces) return;
  for (int id : step.inputs) {
    if (id == kNoValue) continue;
    const PlanValue& value = plan.values[static_cast<size_t>(id)];
    if (value.segments.size() > 1 && value.type.shape.size() > 1) {
      corrupt(fmt::format("step '{}': weight '{}' is in several pieces", step.op, value.name));
    }
  }
}

// Types must be what the op says, so that no kernel sees operands it was not promised.
void check_step(const Plan& plan, const PlanStep& step) {
  const OpDef& def = get_op(step.op);
  const StepKind control = step.op == "if" ? StepKind::kIf : StepKind::kLoop;
  if (is_control(step) != def.control_flow || (is_control(step) && step.kind != control)) {
    corrupt(fmt::format("step '{}' has the wrong kind", step.op));
  }
  if (step.kind == StepKind::kView && !def.column_view) {
    corrupt(fmt::format("step '{}' is no view", step.op));
  }
  if (step.kind == StepKind::kView) {
    check_view_step(plan, step);
  } else {
    check_operands(plan, step, def.effects);
  }
  if (is_control(step)) {
    for (const auto& [name, attr] : step.attrs) {
      if (!name.ends_with("_graph")) continue;
      const int64_t* index = std::get_if<int64_t>(&attr);
      if (!index || *index < 0 || *index >= static_cast<int64_t>(plan.subplans.size())) {
        corrupt(fmt::format("step '{}': '{}' names no subplan", step.op, name));
      }
    }
    return;
  }
  for (const Effects::Alias& alias : def.effects.aliases) {
    const bool known = static_cast<size_t>(alias.input) < step.inputs.size() &&
                       static_cast<size_t>(alias.output) < step.outputs.size();
    if (!known || step.inputs[static_cast<size_t>(alias.input)] == kNoValue ||
        plan.root(step.outputs[static_cast<size_t>(alias.output)]) !=
            plan.root(step.inputs[static_cast<size_t>(alias.input)])) {
      corrupt(fmt::format("step '{}': output {} must share memory with input {}", step.op,
                          alias.output, alias.input));
    }
  }
}

PlanStep step_from_json(const Json& json, size_t values) {
  PlanStep step;
  step.op = json_require<std::string>(json, "op", kWhere, kFile);
  step.kind = static_cast<StepKind>(kind_index(
      kStepKinds, json_get<std::string>(json, "kind", "kernel", kWhere, kFile), step.op));
  if (auto it = json.find("attrs"); it != json.end()) step.attrs = parse_attrs(it->dump());
  step.inputs = indices(json, "inputs", values, true);
  step.outputs = indices(json, "outputs", values, false);
  step.origin = json_get<std::string>(json, "origin", "", kWhere, kFile);
  return step;
}

Json tensor_to_json(const PlanTensor& tensor) {
  Json out = {{"name", tensor.name}, {"element", tensor.type.name()}, {"shape", tensor.shape}};
  if (tensor.random) {
    out["random"] = {{"seed", tensor.random->seed},
                     {"scale", tensor.random->scale},
                     {"offset", tensor.random->offset}};
  }
  return out;
}

RandomFill random_from_json(const Json& json, const PlanTensor& tensor) {
  RandomFill fill;
  const auto seed = json_require<int64_t>(json, "seed", kWhere, kFile);
  if (seed < 0) corrupt(fmt::format("tensor '{}': seed {}: expected 0 or more", tensor.name, seed));
  fill.seed = static_cast<uint64_t>(seed);
  fill.scale = static_cast<float>(json_require<double>(json, "scale", kWhere, kFile));
  fill.offset = static_cast<float>(json_require<double>(json, "offset", kWhere, kFile));
  const bool finite = std::isfinite(fill.scale) && std::isfinite(fill.offset);
  if (!finite || (fill.scale != 0 && fill.offset != 0)) {
    corrupt(fmt::format("tensor '{}': expected a finite scale or offset, the other 0, found {}, {}",
                        tensor.name, fill.scale, fill.offset));
  }
  if (tensor.type.is_block() || !is_random_type(tensor.type.dtype)) {
    corrupt(fmt::format("tensor '{}': {} has no random values", tensor.name, tensor.type.name()));
  }
  return fill;
}

PlanTensor tensor_from_json(const Json& json) {
  PlanTensor tensor;
  tensor.name = json_require<std::string>(json, "name", kWhere, kFile);
  tensor.type = parse_element_type(json_require<std::string>(json, "element", kWhere, kFile));
  tensor.shape = json_require<std::vector<int64_t>>(json, "shape", kWhere, kFile);
  checked_elements(tensor.shape, tensor.name);
  if (tensor.type.block &&
      (tensor.shape.empty() || tensor.shape.back() % tensor.type.block->block_elements != 0)) {
    corrupt(fmt::format("tensor '{}': {} columns are not whole blocks", tensor.name,
                        tensor.shape.empty() ? 0 : tensor.shape.back()));
  }
  if (auto it = json.find("random"); it != json.end()) {
    tensor.random = random_from_json(*it, tensor);
  }
  return tensor;
}

const Json& list(const Json& json, const char* key) {
  static const Json empty = Json::array();
  auto it = json.find(key);
  if (it == json.end()) return empty;
  if (!it->is_array()) corrupt(fmt::format("'{}' is not a list", key));
  return *it;
}

PlanStateGroup group_from_json(const Json& json) {
  PlanStateGroup group;
  group.name = json_require<std::string>(json, "name", kWhere, kFile);
  group.kind = json_require<std::string>(json, "kind", kWhere, kFile);
  group.window = json_get<int64_t>(json, "window", 0, kWhere, kFile);
  group.layers = json_require<int64_t>(json, "layers", kWhere, kFile);
  group.page_tokens = json_require<int64_t>(json, "page_tokens", kWhere, kFile);
  group.bytes_per_token = json_require<int64_t>(json, "bytes_per_token", kWhere, kFile);
  return group;
}

// Memory is counted by groups, so what they say must be what their states take.
void check_groups(const Plan& plan) {
  std::map<std::string, PlanStateGroup> found;
  int64_t bytes = 0;
  for (int id : plan.states) {
    const PlanValue& value = plan.values[static_cast<size_t>(id)];
    PlanStateGroup& group = found[value.group];
    group.name = value.group;
    bytes -= group.bytes_per_token;
    group.add(value.type);
    bytes += group.bytes_per_token;
    if (bytes <= kMostTokenBytes) continue;
    corrupt(fmt::format("expected at most {} bytes of states a token, found {}", kMostTokenBytes,
                        bytes));
  }
  for (const PlanStateGroup& group : plan.groups) {
    const PlanStateGroup& states = found[group.name];
    if (group.layers == states.layers && group.page_tokens == states.page_tokens &&
        group.bytes_per_token == states.bytes_per_token && states.layers > 0) {
      found.erase(group.name);
      continue;
    }
    corrupt(
        fmt::format("state group '{}': expected {} states, {} tokens a page and {} bytes a "
                    "token, as its states have, found {}, {} and {}",
                    group.name, states.layers, states.page_tokens, states.bytes_per_token,
                    group.layers, group.page_tokens, group.bytes_per_token));
  }
  if (!found.empty()) {
    corrupt(fmt::format("state group '{}' has states and is not listed", found.begin()->first));
  }
}

// Inputs and states get memory by being listed, so each must be, once, and nothing else may be.
void check_listed(const Plan& plan, const std::vector<int>& ids, PlanValue::Kind kind) {
  std::set<int> listed;
  for (int id : ids) {
    const PlanValue& value = plan.values[static_cast<size_t>(id)];
    if (value.kind != kind || !listed.insert(id).second) {
      corrupt(fmt::format("value '{}' is listed as an input or state", value.name));
    }
  }
  for (size_t i = 0; i < plan.values.size(); ++i) {
    if (plan.values[i].kind == kind && !listed.count(static_cast<int>(i))) {
      corrupt(fmt::format("value '{}' is not listed", plan.values[i].name));
    }
  }
}

// Every value is defined once, before it is read.
void check_order(const Plan& plan) {
  check_listed(plan, plan.inputs, PlanValue::Kind::kInput);
  check_listed(plan, plan.states, PlanValue::Kind::kState);
  std::set<int> defined;
  for (size_t i = 0; i < plan.values.size(); ++i) {
    if (plan.values[i].kind != PlanValue::Kind::kActivation) defined.insert(static_cast<int>(i));
  }
  for (const PlanStep& step : plan.steps) {
    for (int id : step.inputs) {
      if (id != kNoValue && !defined.count(id)) {
        corrupt(fmt::format("step '{}' reads '{}' before it is computed", step.op,
                            plan.values[static_cast<size_t>(id)].name));
      }
    }
    for (int id : step.outputs) {
      if (!defined.insert(id).second) {
        corrupt(fmt::format("step '{}' writes '{}' twice", step.op,
                            plan.values[static_cast<size_t>(id)].name));
      }
    }
  }
  for (int id : plan.outputs) {
    if (!defined.count(id)) corrupt("an output is never computed");
  }
}

Plan plan_from(const Json& json, const std::vector<PlanTensor>* outer_tensors, int depth) {
  if (depth > kMaxSubplanDepth) corrupt("subplans are nested too deep");
  Plan plan;
  plan.name = json_require<std::string>(json, "name", kWhere, kFile);
  for (const Json& item : list(json, "tensors")) plan.tensors.push_back(tensor_from_json(item));
  const std::vector<PlanTensor>& tensors = outer_tensors ? *outer_tensors : plan.tensors;
  for (const Json& item : list(json, "values")) {
    plan.values.push_back(value_from_json(item, plan.values.size(), tensors.size()));
    const PlanValue& value = plan.values.back();
    if (value.kind == PlanValue::Kind::kWeight) check_weight(value, tensors);
    check_view(plan, value);
  }
  for (const Json& item : list(json, "subplans")) {
    plan.subplans.push_back(plan_from(item, &tensors, depth + 1));
  }
  for (const Json& item : list(json, "steps")) {
    plan.steps.push_back(step_from_json(item, plan.values.size()));
    check_step(plan, plan.steps.back());
  }
  plan.inputs = indices(json, "inputs", plan.values.size(), false);
  plan.states = indices(json, "states", plan.values.size(), false);
  plan.outputs = indices(json, "outputs", plan.values.size(), false);
  for (const Json& item : list(json, "groups")) plan.groups.push_back(group_from_json(item));
  if (json.contains("limits")) plan.limits = symbols_from_json(json["limits"]);
  for (const Json& item : list(json, "buckets")) plan.buckets.push_back(symbols_from_json(item));
  if (json.contains("metadata")) {
    for (const auto& [key, value] : json["metadata"].items()) {
      if (!value.is_string()) corrupt(fmt::format("metadata '{}' is not text", key));
      plan.metadata[key] = value.get<std::string>();
    }
  }
  check_order(plan);
  check_groups(plan);
  return plan;
}

}  // namespace

Json plan_to_json(const Plan& plan) {
  Json out = {{"name", plan.name}};
  for (const PlanTensor& tensor : plan.tensors) out["tensors"].push_back(tensor_to_json(tensor));
  for (const PlanValue& value : plan.values) out["values"].push_back(value_to_json(value));
  for (const PlanStep& step : plan.steps) {
    Json item = {{"op", step.op}};
    if (step.kind != StepKind::kKernel) {
      item["kind"] = std::string(kStepKinds[static_cast<int>(step.kind)]);
    }
    if (!step.attrs.empty()) item["attrs"] = Json::parse(attrs_text(step.attrs));
    item["inputs"] = step.inputs;
    item["outputs"] = step.outputs;
    if (!step.origin.empty()) item["origin"] = step.origin;
    out["steps"].push_back(std::move(item));
  }
  out["inputs"] = plan.inputs;
  out["states"] = plan.states;
  out["outputs"] = plan.outputs;
  for (const PlanStateGroup& group : plan.groups) {
    out["groups"].push_back({{"name", group.name},
                             {"kind", group.kind},
                             {"window", group.window},
                             {"layers", group.layers},
                             {"page_tokens", group.page_tokens},
                             {"bytes_per_token", group.bytes_per_token}});
  }
  out["limits"] = plan.limits;
  for (const Bucket& bucket : plan.buckets) out["buckets"].push_back(bucket);
  out["metadata"] = plan.metadata;
  for (const Plan& sub : plan.subplans) out["subplans"].push_back(plan_to_json(sub));
  return out;
}

Plan plan_from_json(const Json& json) { return plan_from(json, nullptr, 0); }

}  // namespace ingot
