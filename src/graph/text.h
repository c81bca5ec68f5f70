// Graphs as text, for people, diffs and behaviour tests (tests/passes/*.txt):
//
//   graph main
//     meta "architecture" = "llama"
//     limit n = 512
//     input %x : float32[n, 8]
//     state %k : state float32[pages, 2, 32, 4] group kv paged
//     weight %w : q8_0[64, 32] shard 0
//     constant %axes : int64[2] = [0, 1]
//     graph body
//       ...
//     %a, %b = split_columns(%x) {"widths":[4,4]} : float32[n, 4], float32[n, 4] @ "layer 0"
//     return %a %b
//
// Absent inputs are "-". Subgraphs stand indented before the nodes, in order of their index. Lines
// that are empty or begin with '#' are skipped by the parser.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "graph/graph.h"

namespace ingot {

// Scalar constants of up to 256 elements in one piece print their values; every other weight is
// printed by its type alone, without its bytes.
std::string graph_text(const Graph& graph);

// The graph that `text` describes: graph_text(*parse_graph(t)) == t for every t that graph_text
// gave. Node types are inferred and must equal the written ones. Error{kCorrupt} names the line.
std::unique_ptr<Graph> parse_graph(std::string_view text);

}  // namespace ingot
