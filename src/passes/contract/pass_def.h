// The contract of a graph pass: passes/<name>.cc defines `const PassDef& <name>_pass()`, and its
// place in the order is one line in passes/pipeline.cc.
#pragma once

#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace ingot {

struct PassDef {
  std::string_view name;
  // Rewrites the graph in place; returns how many places it changed. Must leave it valid
  // (graph/verify.h) and must be idempotent.
  int (*run)(Graph& graph);
};

// Generated from passes/*.cc.
const std::vector<const PassDef*>& passes_pass_list();

}  // namespace ingot
