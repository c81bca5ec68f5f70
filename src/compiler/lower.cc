#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "base/check.h"
#include "compiler/compile.h"
#include "tensor/kv_page.h"

namespace ingot {
namespace {

class Lowering {
 public:
  Lowering(const Graph& graph, Plan& outer, std::map<const TensorData*, int>& tensors)
      : graph_(graph), outer_(outer), tensors_(tensors) {}

  Plan run() {
    plan_.name = graph_.name();
    plan_.limits = graph_.limits();
    plan_.metadata = graph_.metadata();
    for (int id : graph_.inputs()) plan_.inputs.push_back(add(id, PlanValue::Kind::kInput));
    for (int id : graph_.states()) {
      plan_.states.push_back(add(id, PlanValue::Kind::kState));
      plan_.values.back().group = graph_.at(id).state.group;
    }
    for (const Node& node : graph_.nodes()) {
      for (int id : node.inputs) add_weight(id);
      if (!get_op(node.op).row_strided) {
        read_packed_.insert(node.inputs.begin(), node.inputs.end());
      }
    }
    for (int id : graph_.outputs()) add_weight(id);
    for (const Node& node : graph_.nodes()) add_step(node);
    for (int id : graph_.outputs()) plan_.outputs.push_back(values_.at(id));
    add_groups();
    for (size_t i = 0; i < graph_.subgraph_count(); ++i) {
      plan_.subplans.push_back(
          Lowering(graph_.subgraph(static_cast<int64_t>(i)), outer_, tensors_).run());
    }
    return std::move(plan_);
  }

 private:
  int add(int id, PlanValue::Kind kind) {
    PlanValue value;
    value.kind = kind;
    value.name = graph_.at(id).name;
    value.type = graph_.at(id).type;
    values_[id] = static_cast<int>(plan_.values.size());
    plan_.values.push_back(std::move(value));
    return values_[id];
  }

  void add_weight(int id) {
    if (id == kNoValue || graph_.at(id).kind != Value::Kind::kWeight || values_.count(id)) return;
    const Weight& weight = graph_.at(id).weight;
    CHECK_MSG(!weight.segments.empty(), "weight '{}' has no data", graph_.at(id).name);
    PlanValue& value = plan_.values[static_cast<size_t>(add(id, PlanValue::Kind::kWeight))];
    value.shard_axis = weight.shard_axis;
    for (const auto& segment : weight.segments) {
      auto [it, fresh] =
          tensors_.try_emplace(segment.get(), static_cast<int>(outer_.tensors.size()));
      if (fresh) {
        outer_.tensors.push_back({segment->name, segment->type, segment->shape, segment->random});
      }
      value.segments.push_back(it->second);
    }
  }

  // Column views cost nothing where every reader takes strided rows and the value stays inside.
  bool can_view(const Node& node) const {
    for (int output : node.outputs) {
      if (graph_.is_output(output)) return false;
      if (read_packed_.count(output)) return false;
    }
    return graph_.at(node.inputs[0]).kind == Value::Kind::kNode;
  }

  void add_step(const Node& node) {
    const OpDef& op = get_op(node.op);
    PlanStep step{StepKind::kKernel, node.op, node.attrs, {}, {}, node.origin};
    for (int id : node.inputs) step.inputs.push_back(id == kNoValue ? kNoValue : values_.at(id));
    if (op.host_only) step.kind = StepKind::kHost;
    if (op.control_flow) step.kind = node.op == "if" ? StepKind::kIf : StepKind::kLoop;
    if (op.column_view && can_view(node)) step.kind = StepKind::kView;
    int64_t column = 0;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const int value = add(node.outputs[i], PlanValue::Kind::kActivation);
      PlanValue& out = plan_.values[static_cast<size_t>(value)];
      for (const Effects::Alias& alias : op.effects.aliases) {
        if (alias.output == static_cast<int>(i)) {
          if (static_cast<size_t>(alias.input) >= step.inputs.size()) {
            fail(ErrorCode::kInvalidArgument, "compiler/lower",
                 "operator '{}': output {} shares memory with input {}, node '{}' has {} inputs",
                 node.op, alias.output, alias.input, node.origin, step.inputs.size());
          }
          out.storage = step.inputs[static_cast<size_t>(alias.input)];
        }
      }
      if (step.kind == StepKind::kView) {
        out.storage = step.inputs[0];
        out.column_offset = column;
        column += out.type.shape.back().constant();
      }
      step.outputs.push_back(value);
    }
    plan_.steps.push_back(std::move(step));
  }

  void add_groups() {
    std::map<std::string, PlanStateGroup> groups;
    for (int id : graph_.states()) {
      const Value& value = graph_.at(id);
      PlanStateGroup& group = groups[value.state.group];
      group.name = value.state.group;
      group.kind = std::string(state_kind_name(value.state.kind));
      group.window = value.state.window;
      group.add(value.type);
    }
    for (auto& [name, group] : groups) plan_.groups.push_back(std::move(group));
  }

  const Graph& graph_;
  Plan& outer_;
  std::map<const TensorData*, int>& tensors_;
  Plan plan_;
  std::map<int, int> values_;            // graph value -> plan value
  std::unordered_set<int> read_packed_;  // graph values whose readers include one without strides
};

}  // namespace

Plan lower(const Graph& graph) {
  Plan tensors;
  std::map<const TensorData*, int> indices;
  Plan plan = Lowering(graph, tensors, indices).run();
  plan.tensors = std::move(tensors.tensors);
  return plan;
}

namespace {

// Longest contexts in KV blocks: 512 positions, then sixteen times as many, and the limit. Only
// attention and KV appends have a descriptor for each.
std::vector<int64_t> context_steps(const SymbolValues& limits) {
  constexpr int64_t kFirst = 16, kStep = 4;
  auto blocks = limits.find("max_blocks");
  if (blocks == limits.end()) return {};
  std::vector<int64_t> out;
  for (int64_t size = kFirst; size <= blocks->second / 2; size *= kStep) out.push_back(size);
  out.push_back(blocks->second);
  return out;
}

}  // namespace

std::vector<Bucket> default_buckets(const SymbolValues& limits) {
  auto tokens = limits.find("tokens");
  if (tokens == limits.end()) return {limits};
  // GEMV, small batch, prefill chunk: a regime each. Batches of a server turn from bound by memory
  // to bound by arithmetic between 64 and 512 rows: steps of two there.
  constexpr int64_t kStep = 8, kServed = 64;
  auto batch = limits.find("batch");
  const int64_t most_rows = batch == limits.end() ? 0 : batch->second;
  const auto frames = limits.find("frames");
  const std::vector<int64_t> contexts = context_steps(limits);
  std::vector<Bucket> out;
  for (int64_t size = 1;; size *= size >= kServed && size < most_rows ? 2 : kStep) {
    Bucket bucket = limits;
    bucket["tokens"] = std::min(size, tokens->second);
    for (const char* rows : {"batch", "logit_rows"}) {
      if (bucket.count(rows)) bucket[rows] = std::min(bucket[rows], bucket["tokens"]);
    }
    if (frames != limits.end()) bucket["frames"] = 0;
    if (contexts.empty()) out.push_back(bucket);
    for (int64_t context : contexts) {
      // No step has more tokens than its rows have positions.
      const int64_t positions = (most_rows > 0 ? bucket["batch"] : 1) * context * kKvBlockTokens;
      if (context < contexts.back() && bucket["tokens"] > positions) continue;
      bucket["max_blocks"] = context;
      out.push_back(bucket);
    }
    // An encoder runs for all its frames or not at all; what does not depend on them has the
    // descriptors of the bucket before.
    if (frames != limits.end() && frames->second > 0) {
      bucket["frames"] = frames->second;
      out.push_back(bucket);
    }
    if (size >= tokens->second) return out;
  }
}

std::vector<Bucket> plan_buckets(const Plan& plan) {
  const auto symbols_of = [&](const std::vector<int>& values) {
    std::set<std::string> out;
    for (int id : values) {
      for (const Dim& dim : plan.values[static_cast<size_t>(id)].type.shape) {
        for (std::string& name : dim.symbols()) out.insert(std::move(name));
      }
    }
    return out;
  };
  const std::set<std::string> told = symbols_of(plan.inputs);
  SymbolValues limits = plan.limits;
  for (const std::string& name : symbols_of(plan.states)) {
    if (!told.count(name)) limits.erase(name);
  }
  return default_buckets(limits);
}

}  // namespace ingot
