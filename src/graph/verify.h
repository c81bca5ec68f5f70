// Structural rules of a graph. Run after every pass in debug builds, tests and CI.
#pragma once

#include <string_view>

#include "graph/graph.h"

namespace ingot {

// Throws Error{kInternal} naming `after` (the pass), the node and the rule it breaks:
// - every input is defined before it is used; every output has its producer;
// - output types equal what infer() says;
// - a state token has at most one writer, and no reader after it;
// - the last token of every state that is written is a graph output (so nothing drops the write).
void verify(const Graph& graph, std::string_view after);

}  // namespace ingot
