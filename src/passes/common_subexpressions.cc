#include <map>

#include "passes/contract/pass_def.h"

namespace ingot {
namespace pass_common_subexpressions {

// Whoever runs the engine asks for outputs by name, so a merged value keeps the name of the output.
// Two outputs cannot share one value.
bool merge_values(Graph& graph, const Node& first, const Node& again) {
  for (size_t i = 0; i < again.outputs.size(); ++i) {
    if (graph.is_output(first.outputs[i]) && graph.is_output(again.outputs[i])) return false;
  }
  for (size_t i = 0; i < again.outputs.size(); ++i) {
    if (graph.is_output(again.outputs[i])) {
      graph.supersede(again.outputs[i], first.outputs[i]);
    } else {
      graph.replace_uses(again.outputs[i], first.outputs[i]);
    }
  }
  return true;
}

int run(Graph& graph) {
  std::map<std::string, const Node*> seen;
  int changes = 0;
  for (auto it = graph.nodes().begin(); it != graph.nodes().end();) {
    const OpDef& op = get_op(it->op);
    bool touches_state = false;
    for (int id : it->inputs) touches_state |= id != kNoValue && graph.type(id).state;
    if (!op.effects.pure() || op.control_flow || touches_state) {
      ++it;
      continue;
    }
    std::string key = it->op + attrs_text(it->attrs) + fmt::format("/{}", it->outputs.size());
    for (int id : it->inputs) key += fmt::format(",{}", id);
    auto [entry, fresh] = seen.try_emplace(key, &*it);
    if (fresh || !merge_values(graph, *entry->second, *it)) {
      ++it;
      continue;
    }
    it = graph.erase(it);
    ++changes;
  }
  return changes;
}

}  // namespace pass_common_subexpressions

// Replaces a pure node by an earlier one with the same op, attributes and inputs. Nodes that touch
// state, draw random numbers or meet other ranks are never merged.
const PassDef& common_subexpressions_pass() {
  using namespace pass_common_subexpressions;
  static const PassDef pass = {"common_subexpressions", run};
  return pass;
}

}  // namespace ingot
