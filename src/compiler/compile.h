// Graph to engine: passes, lowering, tuning.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compiler/timing_cache.h"
#include "engine/engine.h"
#include "graph/graph.h"
#include "passes/pipeline.h"

namespace ingot {

class Device;

struct CompileOptions {
  SymbolValues limits;          // replace the graph's default limits
  std::vector<Bucket> buckets;  // empty: drawn from the limits
  PipelineOptions passes;
  // Where to tune; nullptr builds without a device, and binding uses heuristics.
  Device* device = nullptr;
  TimingCache* timings = nullptr;  // read and extended; nullptr times everything
  double tune_seconds = 10;        // budget; what is left over stays on heuristics
};

// The graph is rewritten in place. Weights are views: the engine keeps the graph's owners alive.
// extras["report"] holds a JSON report: passes, tuning, memory.
std::shared_ptr<Engine> compile(Graph& graph, const CompileOptions& options);

// Lowering alone: nodes to steps, values to memory, no passes. Error{kInternal} on a bad graph.
Plan lower(const Graph& graph);

// The table of sizes that drives tuning, padding and captured graphs, rows x longest context:
// powers of eight of the symbol "tokens" up to its limit, each with contexts ("max_blocks") of 16,
// 256, ... blocks up to the limit, other symbols beside them. Where there is an encoder ("frames"),
// those are without frames, and one of each "tokens" has all of them. One bucket at the limits for
// other plans.
std::vector<Bucket> default_buckets(const SymbolValues& limits);
// Of the plan's limits, without the sizes of pools: symbols that states have and no input tells (KV
// pages). An executor sets them aside, no step is larger for it, and whoever runs the plan may ask
// for more.
std::vector<Bucket> plan_buckets(const Plan& plan);

}  // namespace ingot
