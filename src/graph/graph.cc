#include "graph/graph.h"

#include <algorithm>
#include <cctype>
#include <cstring>
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

int Graph::add_value(Value value) {
  const std::string base = clean_name(value.name);
  value.name = base;
  for (int n = 1; names_.count(value.name); ++n) value.name = fmt::format("{}.{}", base, n);
  const int id = value_count();
  names_[value.name] = id;
  values_.push_back(std::make_unique<Value>(std::move(value)));
  return id;
}

void Graph::rename(int value, std::string_view name) {
  Value& v = at(value);
  names_.erase(v.name);
  const std::string base = clean_name(name);
  v.name = base;
  for (int n = 1; names_.count(v.name); ++n) v.name = fmt::format("{}.{}", base, n);
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
  return it->outputs;
}

bool Graph::is_output(int value) const {
  return std::find(outputs_.begin(), outputs_.end(), value) != outputs_.end();
}

std::vector<Node*> Graph::consumers(int value) {
  std::vector<Node*> out;
  for (Node& node : nodes_) {
    if (std::find(node.inputs.begin(), node.inputs.end(), value) != node.inputs.end()) {
      out.push_back(&node);
    }
  }
  return out;
}

void Graph::replace_uses(int old_value, int new_value) {
  for (Node& node : nodes_) {
    std::replace(node.inputs.begin(), node.inputs.end(), old_value, new_value);
  }
  std::replace(outputs_.begin(), outputs_.end(), old_value, new_value);
}

void Graph::supersede(int old_value, int new_value) {
  const std::string name = at(old_value).name;
  replace_uses(old_value, new_value);
  rename(old_value, name + ".replaced");
  rename(new_value, name);
}

Graph::NodeList::iterator Graph::position(const Node* node) {
  return std::find_if(nodes_.begin(), nodes_.end(), [&](const Node& n) { return &n == node; });
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
