// The one ordered list of graph passes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "passes/contract/pass_def.h"

namespace ingot {

struct PassReport {
  std::string name;
  int changes = 0;
  double milliseconds = 0;
};

struct PipelineOptions {
  std::vector<std::string> disabled;  // by name; Error{kInvalidArgument} for an unknown one
  bool verify = false;                // after every pass (always in debug builds)
};

// Runs every pass in order over the graph and its subgraphs; repeats the list until nothing changes
// (at most four times).
std::vector<PassReport> run_pipeline(Graph& graph, const PipelineOptions& options);

// Names between commas, as PipelineOptions::disabled takes them; Error{kInvalidArgument} for an
// unknown one lists what there is.
std::vector<std::string> parse_pass_names(std::string_view text);

// One pass by name, for tests. Error{kInvalidArgument} when unknown.
int run_pass(Graph& graph, std::string_view name);

}  // namespace ingot
