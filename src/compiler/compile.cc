#include "compiler/compile.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "compiler/tune.h"
#include "engine/memory.h"
#include "tensor/device.h"

namespace ingot {
namespace {

// Bytes of the plan's tensors, in its order. lower() visits segments in the same order.
void collect_bytes(const Graph& graph, std::map<std::string, std::span<const std::byte>>& out,
                   Engine& engine) {
  for (int id = 0; id < graph.value_count(); ++id) {
    for (const auto& segment : graph.at(id).weight.segments) {
      out[segment->name] = segment->bytes;
      if (segment->owner) engine.owners.push_back(segment->owner);
    }
  }
  for (const auto& owner : graph.owners()) engine.owners.push_back(owner);
  for (size_t i = 0; i < graph.subgraph_count(); ++i) {
    collect_bytes(graph.subgraph(static_cast<int64_t>(i)), out, engine);
  }
}

// Names of tensors must tell them apart; importers may use one name in several subgraphs, and many
// times: `suffixes` holds the last one tried for each.
void make_names_unique(Graph& graph, std::map<std::string, const TensorData*>& seen,
                       std::map<std::string, int>& suffixes) {
  for (int id = 0; id < graph.value_count(); ++id) {
    for (auto& segment : graph.at(id).weight.segments) {
      auto [it, fresh] = seen.try_emplace(segment->name, segment.get());
      if (fresh || it->second == segment.get()) continue;
      auto renamed = std::make_shared<TensorData>(*segment);
      int& suffix = suffixes[segment->name];
      do {
        renamed->name = fmt::format("{}.{}", segment->name, ++suffix);
      } while (!seen.try_emplace(renamed->name, renamed.get()).second);
      segment = std::move(renamed);
    }
  }
  for (size_t i = 0; i < graph.subgraph_count(); ++i) {
    make_names_unique(graph.subgraph(static_cast<int64_t>(i)), seen, suffixes);
  }
}

// Tuning takes the weights to the device, as running will; where they do not fit, the engine may
// still be for another machine.
bool can_tune(const Plan& plan, const Device& device) {
  int64_t weights = 0;
  for (const PlanTensor& tensor : plan.tensors) {
    if (tensor.random || !device.host_visible()) weights += tensor.bytes();
  }
  const auto free = static_cast<int64_t>(device.free_bytes());
  if (free == 0 || weights <= free) return true;
  spdlog::warn("not tuned: {:.1f} GiB of weights, {:.1f} GiB are free on the {} device",
               static_cast<double>(weights) / (1 << 30), static_cast<double>(free) / (1 << 30),
               device.kind());
  return false;
}

}  // namespace

std::shared_ptr<Engine> compile(Graph& graph, const CompileOptions& options) {
  const Stopwatch watch;
  Json report;
  for (const PassReport& pass : run_pipeline(graph, options.passes)) {
    report["passes"].push_back(
        {{"name", pass.name}, {"changes", pass.changes}, {"ms", pass.milliseconds}});
  }
  std::map<std::string, const TensorData*> names;
  std::map<std::string, int> suffixes;
  make_names_unique(graph, names, suffixes);
  auto engine = std::make_shared<Engine>();
  engine->plan = lower(graph);
  Plan& plan = engine->plan;
  for (const auto& [name, value] : options.limits) plan.limits[name] = value;
  plan.buckets = options.buckets.empty() ? plan_buckets(plan) : options.buckets;
  std::map<std::string, std::span<const std::byte>> bytes;
  collect_bytes(graph, bytes, *engine);
  for (const PlanTensor& tensor : plan.tensors) engine->tensors.push_back(bytes.at(tensor.name));

  if (options.device && can_tune(plan, *options.device)) {
    TuneReport tuning;
    engine->devices.push_back(
        tune(*engine, *options.device, options.timings, options.tune_seconds, tuning));
    report["tuning"] = {{"device", options.device->identity()},
                        {"descriptors", tuning.descriptors},
                        {"timed", tuning.timed},
                        {"cached", tuning.cached},
                        {"ms", tuning.milliseconds},
                        {"details", std::move(tuning.details)}};
    if (!tuning.stopped.empty()) report["tuning"]["stopped"] = tuning.stopped;
  }
  const MemoryPlan memory = plan_memory(plan, plan.limits);
  report["arena_bytes"] = memory.layout.total;
  report["arena_bound"] = memory.layout.bound;
  report["build_ms"] = watch.ms();
  engine->extras["report"] = report.dump();
  return engine;
}

}  // namespace ingot
