#include "passes/contract/pass_def.h"

namespace ingot {
namespace pass_fuse_act_mul {

Node* producer(Graph& graph, int value) { return graph.at(value).producer; }

// Replaces the product at `it` by one node and returns the position before it.
Graph::NodeList::iterator replace(Graph& graph, Graph::NodeList::iterator it, std::string_view op,
                                  Attrs attrs, std::vector<int> inputs) {
  graph.set_insertion_point(it);
  graph.set_origin(it->origin);
  const int fused = graph.emit(op, std::move(attrs), std::move(inputs));
  graph.clear_insertion_point();
  graph.supersede(it->outputs[0], fused);
  return --graph.erase(it);
}

// act_mul's name of an activation node; "" when it has none.
std::string activation(const Node& node) {
  if (node.op == "relu") return "relu";
  if (node.op == "silu" && attr_or<double>(node.attrs, "alpha", 1.0) == 1.0) return "silu";
  if (node.op != "gelu") return "";
  return attr_or<std::string>(node.attrs, "approximate", "none") == "tanh" ? "gelu_tanh" : "gelu";
}

// act_mul computes in float32: of other types it would lose bits.
bool fits_float32(const ElementType& type) {
  return type.dtype == DType::kFloat32 || type.dtype == DType::kFloat16 ||
         type.dtype == DType::kBFloat16;
}

int run(Graph& graph) {
  int changes = 0;
  for (auto it = graph.nodes().begin(); it != graph.nodes().end(); ++it) {
    if (it->op != "mul") continue;
    for (size_t side = 0; side < 2; ++side) {
      const int a = it->inputs[side], b = it->inputs[1 - side];
      const Node* from = producer(graph, a);
      if (!from || !(graph.type(a) == graph.type(b))) continue;
      if (from->op == "sigmoid" && from->inputs[0] == b) {
        it = replace(graph, it, "silu", {}, {b});
        ++changes;
        break;
      }
      if (!fits_float32(graph.type(a).element)) continue;
      const std::string name = activation(*from);
      // An activation that is read elsewhere too is computed anyway.
      if (name.empty() || graph.is_output(a) || !graph.sole_consumer(a)) continue;
      const int gate = from->inputs[0];
      it = replace(graph, it, "act_mul", {{"activation", name}}, {gate, b});
      ++changes;
      break;
    }
  }
  return changes;
}

}  // namespace pass_fuse_act_mul

// x * sigmoid(x) -> silu; activation(gate) * up -> act_mul. What is left behind unused is dead
// code.
const PassDef& fuse_act_mul_pass() {
  using namespace pass_fuse_act_mul;
  static const PassDef pass = {"fuse_act_mul", run};
  return pass;
}

}  // namespace ingot
