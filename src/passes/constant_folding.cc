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
// References take some nanoseconds for each element that they look at: about a second a run. Of a
// heavy operator (a matrix product) each result may look at every element of the inputs.
constexpr double kMaxWork = 1 << 27;
constexpr double kMaxHeavyWork = 1 << 24;

// What is left of one run's bounds.
struct Budget {
  int64_t bytes = kMaxTotalBytes;
  double work = kMaxWork;
};

// What nobody reads is left to dead_code. Takes what folding costs from `budget`.
bool foldable(const Graph& graph, const Node& node, const OpDef& op, Budget& budget) {
  if (!op.reference || !op.effects.pure() || node.inputs.empty()) return false;
  double read_elements = 0;
  for (int id : node.inputs) {
    if (id == kNoValue) continue;
    const TensorView* constant = graph.constant(id);
    if (!constant || graph.type(id).element.is_block()) return false;
    if (!op.shape_only) read_elements += static_cast<double>(constant->elements());
  }
  int64_t bytes = 0;
  double elements = 0;
  bool read = false;
  for (int id : node.outputs) {
    const ValueType& type = graph.type(id);
    if (!is_constant(type.shape) || type.element.is_block() || graph.is_output(id)) return false;
    read = read || !graph.uses(id).empty();
    const int64_t count = element_count(evaluate(type.shape, {}));
    bytes += type.element.bytes(count);
    elements += static_cast<double>(count);
  }
  if (!read || bytes > std::min(kMaxBytes, budget.bytes)) return false;
  const double work = op.heavy ? elements * read_elements : elements + read_elements;
  if (work > (op.heavy ? std::min(kMaxHeavyWork, budget.work) : budget.work)) return false;
  budget.bytes -= bytes;
  budget.work -= work;
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
  Budget budget;
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
