#include <algorithm>
#include <vector>

#include "base/error.h"
#include "passes/contract/pass_def.h"

namespace ingot {
namespace pass_constant_folding {

// Folding must not blow an engine up: larger results are cheaper to compute than to store.
constexpr int64_t kMaxBytes = int64_t{16} << 20;
// Of all results of one run: a small file may ask for any number of large ones.
constexpr int64_t kMaxTotalBytes = int64_t{256} << 20;

// What nobody reads is left to dead_code. Takes the results' bytes from `budget`.
bool foldable(const Graph& graph, const Node& node, const OpDef& op, int64_t& budget) {
  if (!op.reference || !op.effects.pure() || node.inputs.empty()) return false;
  for (int id : node.inputs) {
    if (id == kNoValue) continue;
    if (!graph.constant(id) || graph.type(id).element.is_block()) return false;
  }
  int64_t bytes = 0;
  bool read = false;
  for (int id : node.outputs) {
    const ValueType& type = graph.type(id);
    if (!is_constant(type.shape) || type.element.is_block() || graph.is_output(id)) return false;
    read = read || !graph.uses(id).empty();
    bytes += type.element.bytes(element_count(evaluate(type.shape, {})));
  }
  if (!read || bytes > std::min(kMaxBytes, budget)) return false;
  budget -= bytes;
  return true;
}

// False, and nothing changed, when the values are refused (a division by zero): the node may never
// run, and says so itself if it does.
bool fold(Graph& graph, const Node& node, const OpDef& op) {
  std::vector<TensorView> inputs;
  inputs.reserve(node.inputs.size());
  for (int id : node.inputs) {
    inputs.push_back(id == kNoValue ? TensorView{} : *graph.constant(id));
  }
  std::vector<TensorView> outputs;
  std::vector<std::vector<std::byte>> memory;
  outputs.reserve(node.outputs.size());
  memory.reserve(node.outputs.size());
  for (int id : node.outputs) {
    const ValueType& type = graph.type(id);
    TensorView view{type.element, evaluate(type.shape, {})};
    memory.emplace_back(static_cast<size_t>(std::max<int64_t>(1, view.bytes())));
    view.data = memory.back().data();
    outputs.push_back(view);
  }
  try {
    op.reference({inputs, outputs, node.attrs});
  } catch (const Error&) {
    return false;
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto bytes = static_cast<size_t>(outputs[i].bytes());
    const int value =
        graph.add_constant(outputs[i].type, outputs[i].shape, std::span(memory[i]).first(bytes));
    graph.replace_uses(node.outputs[i], value);
  }
  return true;
}

int run(Graph& graph) {
  int changes = 0;
  int64_t budget = kMaxTotalBytes;
  for (auto it = graph.nodes().begin(); it != graph.nodes().end();) {
    const OpDef& op = get_op(it->op);
    if (!foldable(graph, *it, op, budget) || !fold(graph, *it, op)) {
      ++it;
      continue;
    }
    it = graph.erase(it);
    ++changes;
  }
  // Constant shapes may have made later types more precise.
  if (changes > 0) graph.infer_types();
  return changes;
}

}  // namespace pass_constant_folding

// Computes nodes whose inputs are all constants with their plain reference.
const PassDef& constant_folding_pass() {
  using namespace pass_constant_folding;
  static const PassDef pass = {"constant_folding", run};
  return pass;
}

}  // namespace ingot
