#include <set>

#include "passes/contract/pass_def.h"

namespace ingot {
namespace pass_dead_code {

int run(Graph& graph) {
  std::set<int> live(graph.outputs().begin(), graph.outputs().end());
  int changes = 0;
  for (auto it = graph.nodes().end(); it != graph.nodes().begin();) {
    --it;
    bool needed = get_op(it->op).effects.collective;
    for (int id : it->outputs) needed |= live.count(id) > 0;
    if (needed) {
      live.insert(it->inputs.begin(), it->inputs.end());
      continue;
    }
    it = graph.erase(it);
    ++changes;
  }
  return changes;
}

}  // namespace pass_dead_code

// Removes nodes that nothing reads. Writes to states stay: their tokens are graph outputs.
const PassDef& dead_code_pass() {
  using namespace pass_dead_code;
  static const PassDef pass = {"dead_code", run};
  return pass;
}

}  // namespace ingot
