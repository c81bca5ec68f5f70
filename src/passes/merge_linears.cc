#include <algorithm>
#include <map>

#include "passes/contract/pass_def.h"

namespace ingot {
namespace pass_merge_linears {

// Linears that may become one: same input, attributes, weight type, width and kind of bias.
std::string group_key(const Graph& graph, const Node& node) {
  const Value& weight = graph.at(node.inputs[1]);
  const bool bias = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  const std::string bias_type = bias ? graph.type(node.inputs[2]).element.name() : "none";
  return fmt::format("{}|{}|{}|{}|{}|{}", node.inputs[0], attrs_text(node.attrs),
                     weight.type.element.name(), weight.type.shape[1].text(), bias_type,
                     weight.weight.shard_axis);
}

bool mergeable(const Graph& graph, const Node& node) {
  if (node.op != "linear" || graph.at(node.inputs[1]).kind != Value::Kind::kWeight) return false;
  const bool bias = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  if (bias && graph.at(node.inputs[2]).kind != Value::Kind::kWeight) return false;
  // A weight with another reader (a tied embedding) keeps its own layout.
  return graph.sole_consumer(node.inputs[1]) != nullptr;
}

int merged_weight(Graph& graph, const std::vector<Node*>& nodes, size_t input) {
  Weight weight;
  std::string name;
  bool has_data = true;
  int64_t rows = 0;
  for (const Node* node : nodes) {
    const Value& part = graph.at(node->inputs[input]);
    weight.shard_axis = part.weight.shard_axis;
    weight.segments.insert(weight.segments.end(), part.weight.segments.begin(),
                           part.weight.segments.end());
    has_data &= !part.weight.segments.empty();
    rows += part.type.shape[0].constant();
    name += (name.empty() ? "" : "+") + part.name;
  }
  std::replace(name.begin(), name.end(), '+', ':');
  if (has_data) return graph.add_weight(name, std::move(weight));
  Shape shape = evaluate(graph.type(nodes[0]->inputs[input]).shape, {});
  shape[0] = rows;
  return graph.add_weight_type(name, graph.type(nodes[0]->inputs[input]).element, shape);
}

void merge(Graph& graph, const std::vector<Node*>& nodes) {
  const Node first = *nodes[0];
  std::vector<int> inputs = {first.inputs[0], merged_weight(graph, nodes, 1)};
  if (first.inputs.size() > 2 && first.inputs[2] != kNoValue) {
    inputs.push_back(merged_weight(graph, nodes, 2));
  }
  std::vector<int64_t> widths;
  widths.reserve(nodes.size());
  for (const Node* node : nodes) {
    widths.push_back(graph.type(node->outputs[0]).shape.back().constant());
  }
  graph.set_insertion_point(graph.position(nodes[0]));
  graph.set_origin(first.origin);
  const int merged = graph.emit("linear", first.attrs, std::move(inputs));
  const std::vector<int> parts =
      graph.emit_many("split_columns", {{"widths", widths}}, {merged}, widths.size());
  graph.clear_insertion_point();
  for (size_t i = 0; i < nodes.size(); ++i) {
    graph.supersede(nodes[i]->outputs[0], parts[i]);
    graph.erase(graph.position(nodes[i]));
  }
}

int run(Graph& graph) {
  std::map<std::string, std::vector<Node*>> groups;
  for (Node& node : graph.nodes()) {
    if (mergeable(graph, node)) groups[group_key(graph, node)].push_back(&node);
  }
  int changes = 0;
  for (const auto& [key, nodes] : groups) {
    if (nodes.size() < 2) continue;
    merge(graph, nodes);
    changes += static_cast<int>(nodes.size()) - 1;
  }
  return changes;
}

}  // namespace pass_merge_linears

// Linears of one input become one over the stacked weights (query/key/value, gate/up) and a split
// of its columns. Weights become lists of pieces; no byte moves.
const PassDef& merge_linears_pass() {
  using namespace pass_merge_linears;
  static const PassDef pass = {"merge_linears", run};
  return pass;
}

}  // namespace ingot
