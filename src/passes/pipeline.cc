#include "passes/pipeline.h"

#include <algorithm>

#include "base/clock.h"
#include "graph/verify.h"

namespace ingot {
namespace {

// Order matters: folding first exposes equal nodes; merges need nodes that are not fused yet; dead
// code last removes what the rewrites left behind.
constexpr std::string_view kOrder[] = {
    "constant_folding",  "common_subexpressions", "merge_linears", "fuse_rope_kv_append",
    "fuse_add_rms_norm", "fuse_act_mul",          "dead_code",
};

constexpr int kMaxRounds = 4;  // rewrites feed each other at most this deep in practice

const PassDef& find_pass(std::string_view name) {
  for (const PassDef* pass : passes_pass_list()) {
    if (pass->name == name) return *pass;
  }
  std::string known;
  for (std::string_view pass : kOrder) known += (known.empty() ? "" : ", ") + std::string(pass);
  fail(ErrorCode::kInvalidArgument, "passes", "unknown pass '{}': expected one of {}", name, known);
}

int run_on_all(Graph& graph, const PassDef& pass, bool check) {
  int changes = 0;
  for (size_t i = 0; i < graph.subgraph_count(); ++i) {
    changes += run_on_all(graph.subgraph(static_cast<int64_t>(i)), pass, false);
  }
  changes += pass.run(graph);
  if (check) verify(graph, pass.name);
  return changes;
}

}  // namespace

std::vector<PassReport> run_pipeline(Graph& graph, const PipelineOptions& options) {
  for (const std::string& name : options.disabled) find_pass(name);
#ifdef NDEBUG
  const bool check = options.verify;
#else
  const bool check = true;
#endif
  if (check) verify(graph, "import");
  std::vector<PassReport> reports;
  for (int round = 0; round < kMaxRounds; ++round) {
    int changes = 0;
    for (std::string_view name : kOrder) {
      if (std::find(options.disabled.begin(), options.disabled.end(), name) !=
          options.disabled.end()) {
        continue;
      }
      const Stopwatch watch;
      const int changed = run_on_all(graph, find_pass(name), check);
      reports.push_back({std::string(name), changed, watch.ms()});
      changes += changed;
    }
    if (changes == 0) break;
  }
  return reports;
}

std::vector<std::string> parse_pass_names(std::string_view text) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) out.emplace_back(find_pass(text.substr(begin, end - begin)).name);
    begin = end + 1;
  }
  return out;
}

int run_pass(Graph& graph, std::string_view name) {
  return run_on_all(graph, find_pass(name), true);
}

}  // namespace ingot
