#include "graph/graph.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "base/check.h"

namespace ingot {
namespace {

std::string clean_name(std::string_view name) {
  std::string out;
  for (char c : name) {
    const bool keep = std::isalnum(static_cast<unsigned char>(c)) || std::strchr("_.:/-", c);
    out += keep && c != 0 ? c : '_';
  }
  return out.empty() ? "v" : out;
}

// "x.12" -> {"x", 12}; {name, 0} for names that no suffix ends.
std::pair<std::string, int> split_suffix(const std::string& name) {
  constexpr size_t kMaxDigits = 9;  // fits an int
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {name, 0};
  const std::string digits = name.substr(dot + 1);
  const bool number = !digits.empty() && digits.size() <= kMaxDigits && digits[0] != '0' &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
  if (!number) return {name, 0};
  return {name.substr(0, dot), std::stoi(digits)};
}

}  // namespace

std::string_view state_kind_name(StateKind kind) {
  constexpr std::string_view kNames[] = {"paged", "windowed", "fixed", "cross"};
  return kNames[static_cast<int>(kind)];
}

const Value& Graph::at(int value) const {
  CHECK_MSG(value >= 0 && value < value_count(), "value {} of {}", value, value_count());
  return *values_[static_cast<size_t>(value)];
}
Value& Graph::at(int value) { return const_cast<Value&>(std::as_const(*this).at(value)); }

int Graph::find(std::string_view name) const {
  auto it = names_.find(name);
  return it == names_.end() ? kNoValue : it->second;
}

std::string Graph::free_name(std::string_view name) {
  const std::string base = clean_name(name);
  if (!names_.count(base)) return base;
  int& suffix = suffixes_.try_emplace(base, 1).first->second;
  std::string out;
  do {
    out = fmt::format("{}.{}", base, suffix++);
  } while (names_.count(out));
  return out;
}

void Graph::release_name(const std::string& name) {
  names_.erase(name);
  const auto [base, suffix] = split_suffix(name);
  const auto it = suffixes_.find(base);
  if (suffix > 0 && it != suffixes_.end()) it->second = std::min(it->second, suffix);
}

int Graph::add_value(Value value) {
  value.name = free_name(value.name);
  const int id = value_count();
  names_[value.name] = id;
  values_.push_back(std::make_unique<Value>(std::move(value)));
  uses_.emplace_back();
  return id;
}

void Graph::rename(int value, std::string_view name) {
  Value& v = at(value);
  release_name(v.name);
  v.name = free_name(name);
  names_[v.name] = value;
}

int Graph::add_input(std::string_view name, ValueType type) {
  Value value;
  value.kind = Value::Kind::kInput;
  value.name = name;
  value.type = std::move(type);
  inputs_.push_back(add_value(std::move(value)));
  return inputs_.back();
}

int Graph::add_state(std::string_view name, ElementType element, SymShape shape, StateDecl decl) {
  Value value;
  value.kind = Value::Kind::kState;
  value.name = name;
  value.type = {element, std::move(shape), true};
  value.state = std::move(decl);
  states_.push_back(add_value(std::move(value)));
  return states_.back();
}

int Graph::add_weight(std::string_view name, Weight weight) {
  CHECK(!weight.segments.empty());
  const TensorData& first = *weight.segments[0];
  Shape shape = first.shape;
  for (size_t i = 1; i < weight.segments.size(); ++i) {
    const TensorData& piece = *weight.segments[i];
    CHECK(piece.type == first.type && piece.shape.size() == shape.size() && !shape.empty());
    for (size_t d = 1; d < shape.size(); ++d) CHECK_EQ(piece.shape[d], shape[d]);
    shape[0] += piece.shape[0];
  }
  Value value;
  value.kind = Value::Kind::kWeight;
  value.name = name;
  value.type = {first.type, sym_shape(shape)};
  value.weight = std::move(weight);
  return add_value(std::move(value));
}

int Graph::add_weight_type(std::string_view name, ElementType element, Shape shape) {
  Value value;
  value.kind = Value::Kind::kWeight;
  value.name = name;
  value.type = {element, sym_shape(shape)};
  return add_value(std::move(value));
}

int Graph::add_constant(ElementType type, Shape shape, std::span<const std::byte> data) {
  auto owned = std::make_shared<std::vector<std::byte>>(data.begin(), data.end());
  auto tensor = std::make_shared<TensorData>();
  tensor->name = fmt::format("constant.{}", value_count());
  tensor->type = type;
  tensor->shape = std::move(shape);
  tensor->bytes = *owned;
  tensor->owner = owned;
  CHECK_EQ(static_cast<size_t>(type.bytes(element_count(tensor->shape))), data.size());
  const std::string name = tensor->name;
  return add_weight(name, {{std::move(tensor)}, -1});
}

const TensorView* Graph::constant(int value) const {
  const Value& v = at(value);
  if (v.kind != Value::Kind::kWeight || v.weight.segments.size() != 1) return nullptr;
  if (v.weight.segments[0]->random) return nullptr;
  auto [it, fresh] = constant_views_.try_emplace(value);
  if (fresh) {
    const TensorData& data = *v.weight.segments[0];
    auto* bytes = const_cast<std::byte*>(data.bytes.data());
    static std::byte empty[1];
    it->second = std::make_unique<TensorView>(
        TensorView{data.type, data.shape, data.bytes.empty() ? empty : bytes});
  }
  return it->second.get();
}

std::vector<ValueType> Graph::infer(std::string_view op, const Attrs& attrs,
                                    const std::vector<int>& inputs, size_t outputs) const {
  const OpDef& def = get_op(op);
  std::vector<const ValueType*> types;
  types.reserve(inputs.size());
  for (int input : inputs) types.push_back(input == kNoValue ? nullptr : &at(input).type);
  const InferArgs args{op,
                       types,
                       attrs,
                       [&](size_t i) -> const TensorView* {
                         return i < inputs.size() && inputs[i] != kNoValue ? constant(inputs[i])
                                                                           : nullptr;
                       },
                       outputs,
                       [&](int64_t index) {
                         std::vector<ValueType> out;
                         for (int value : subgraph(index).outputs())
                           out.push_back(subgraph(index).type(value));
                         return out;
                       }};
  return def.infer(args);
}

std::vector<int> Graph::emit_many(std::string_view op, Attrs attrs, std::vector<int> inputs,
                                  size_t outputs) {
  std::vector<ValueType> types;
  try {
    types = infer(op, attrs, inputs, outputs);
  } catch (const Error& error) {
    if (origin_.empty()) throw;
    throw Error(error.code(), fmt::format("{} (at '{}')", error.what(), origin_));
  }
  auto it = nodes_.insert(insertion_,
                          Node{std::string(op), std::move(attrs), std::move(inputs), {}, origin_});
  for (size_t i = 0; i < types.size(); ++i) {
    Value value;
    value.name = fmt::format("{}_{}", op, value_count());
    value.type = std::move(types[i]);
    value.producer = &*it;
    value.output_index = static_cast<int>(i);
    it->outputs.push_back(add_value(std::move(value)));
  }
  link(it);
  return it->outputs;
}

void Graph::link(NodeList::iterator node) {
  Links links{node, {}};
  for (size_t slot = 0; slot < node->inputs.size(); ++slot) {
    const int value = node->inputs[slot];
    if (value == kNoValue) {
      links.uses.emplace_back();
      continue;
    }
    std::list<Use>& uses = uses_[static_cast<size_t>(value)];
    links.uses.push_back(uses.insert(uses.end(), Use{&*node, slot}));
  }
  links_.emplace(&*node, std::move(links));
}

Graph::NodeList::iterator Graph::erase(NodeList::iterator node) {
  const auto found = links_.find(&*node);
  CHECK_MSG(found != links_.end(), "node '{}' is not of graph '{}'", node->op, name_);
  for (size_t slot = 0; slot < node->inputs.size(); ++slot) {
    if (node->inputs[slot] == kNoValue) continue;
    uses_[static_cast<size_t>(node->inputs[slot])].erase(found->second.uses[slot]);
  }
  for (int output : node->outputs) {
    if (at(output).producer == &*node) at(output).producer = nullptr;
  }
  links_.erase(found);
  return nodes_.erase(node);
}

void Graph::add_output(int value) {
  output_slots_[value].push_back(outputs_.size());
  outputs_.push_back(value);
}

void Graph::set_outputs(std::vector<int> values) {
  outputs_.clear();
  output_slots_.clear();
  for (int value : values) add_output(value);
}

const std::list<Use>& Graph::uses(int value) const {
  at(value);  // checks the id
  return uses_[static_cast<size_t>(value)];
}

std::vector<Node*> Graph::consumers(int value) const {
  std::vector<Node*> out;
  std::unordered_set<const Node*> seen;
  for (const Use& use : uses(value)) {
    if (seen.insert(use.node).second) out.push_back(use.node);
  }
  return out;
}

Node* Graph::sole_consumer(int value) const {
  Node* out = nullptr;
  for (const Use& use : uses(value)) {
    if (out && out != use.node) return nullptr;
    out = use.node;
  }
  return out;
}

void Graph::set_input(Node& node, size_t slot, int value) {
  const auto found = links_.find(&node);
  CHECK_MSG(found != links_.end(), "node '{}' is not of graph '{}'", node.op, name_);
  CHECK_LT(slot, node.inputs.size());
  std::list<Use>::iterator& entry = found->second.uses[slot];
  if (node.inputs[slot] != kNoValue) {
    uses_[static_cast<size_t>(node.inputs[slot])].erase(entry);
    entry = {};
  }
  node.inputs[slot] = value;
  if (value == kNoValue) return;
  at(value);  // checks the id
  std::list<Use>& uses = uses_[static_cast<size_t>(value)];
  entry = uses.insert(uses.end(), Use{&node, slot});
}

void Graph::replace_uses(int old_value, int new_value) {
  at(old_value);
  at(new_value);
  if (old_value == new_value) return;
  std::list<Use>& from = uses_[static_cast<size_t>(old_value)];
  std::list<Use>& to = uses_[static_cast<size_t>(new_value)];
  for (const Use& use : from) use.node->inputs[use.slot] = new_value;
  to.splice(to.end(), from);  // entries stay where Links points
  const auto outputs = output_slots_.find(old_value);
  if (outputs == output_slots_.end()) return;
  const std::vector<size_t> slots = std::move(outputs->second);
  output_slots_.erase(outputs);
  for (size_t slot : slots) outputs_[slot] = new_value;
  std::vector<size_t>& kept = output_slots_[new_value];
  kept.insert(kept.end(), slots.begin(), slots.end());
}

void Graph::supersede(int old_value, int new_value) {
  const std::string name = at(old_value).name;
  replace_uses(old_value, new_value);
  rename(old_value, name + ".replaced");
  rename(new_value, name);
}

Graph::NodeList::iterator Graph::position(const Node* node) {
  const auto found = links_.find(node);
  CHECK_MSG(found != links_.end(), "no such node in graph '{}'", name_);
  return found->second.position;
}

void Graph::infer_types() {
  for (Node& node : nodes_) {
    std::vector<ValueType> types = infer(node.op, node.attrs, node.inputs, node.outputs.size());
    CHECK_EQ(types.size(), node.outputs.size());
    for (size_t i = 0; i < types.size(); ++i) at(node.outputs[i]).type = std::move(types[i]);
  }
}

int Graph::add_subgraph(std::unique_ptr<Graph> graph) {
  subgraphs_.push_back(std::move(graph));
  return static_cast<int>(subgraphs_.size()) - 1;
}

}  // namespace ingot
