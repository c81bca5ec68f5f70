// An attention model with random weights, as an engine: enough for everything that runs forward
// plans.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "engine/engine.h"

namespace ingot {

constexpr int64_t kTinyVocab = 97;
constexpr int64_t kTinyDim = 32;

// One attention layer: the state group of its cache, and where its pages come from.
struct TinyLayer {
  int64_t window = 0;  // of the attention; 0: all positions
  std::string group = "kv";
  std::string kind = "paged";
  int64_t group_window = 0;
  std::string table = "block_tables";
  std::string pages = "kv_pages";
};

class TinyPlanWriter {
 public:
  int value(PlanValue::Kind kind, std::string name, ValueType type) {
    PlanValue v;
    v.kind = kind;
    v.name = std::move(name);
    v.type = std::move(type);
    plan.values.push_back(std::move(v));
    return static_cast<int>(plan.values.size()) - 1;
  }
  int input(const std::string& name, SymShape shape) {
    if (plan.find(name) != kNoValue) return plan.find(name);
    plan.inputs.push_back(value(PlanValue::Kind::kInput, name, {DType::kInt32, std::move(shape)}));
    return plan.inputs.back();
  }
  int weight(const char* name, Shape shape) {
    const int id = value(PlanValue::Kind::kWeight, name, {DType::kFloat32, sym_shape(shape)});
    plan.values.back().segments = {static_cast<int>(plan.tensors.size())};
    plan.tensors.push_back({name, DType::kFloat32, shape});
    return id;
  }
  int state(const std::string& name, const TinyLayer& layer) {
    const SymShape shape = {Dim::symbol(layer.pages), 1, 32, kTinyDim};
    plan.states.push_back(value(PlanValue::Kind::kState, name, {DType::kFloat32, shape, true}));
    plan.values.back().group = layer.group;
    plan.limits[layer.pages] = 8;
    auto group = std::ranges::find(plan.groups, layer.group, &PlanStateGroup::name);
    if (group == plan.groups.end()) {
      plan.groups.push_back({layer.group, layer.kind, layer.group_window});
      group = plan.groups.end() - 1;
    }
    group->add(plan.values.back().type);
    return plan.states.back();
  }
  std::vector<int> step(const char* op, Attrs attrs, std::vector<int> inputs, size_t outputs = 1) {
    const OpDef& def = get_op(op);
    std::vector<const ValueType*> types;
    for (int id : inputs) types.push_back(&plan.values[static_cast<size_t>(id)].type);
    const InferArgs infer{op, types, attrs, [](size_t) { return nullptr; }, outputs};
    const std::vector<ValueType> inferred = def.infer(infer);
    PlanStep step{StepKind::kKernel, op, attrs, inputs, {}, {}};
    for (size_t i = 0; i < inferred.size(); ++i) {
      const int id = value(PlanValue::Kind::kActivation,
                           fmt::format("{}_{}", op, plan.values.size()), inferred[i]);
      for (const Effects::Alias& alias : def.effects.aliases) {
        if (alias.output == static_cast<int>(i)) {
          plan.values.back().storage = inputs[static_cast<size_t>(alias.input)];
        }
      }
      step.outputs.push_back(id);
    }
    plan.steps.push_back(step);
    return step.outputs;
  }
  Plan plan;
};

inline std::shared_ptr<const Engine> tiny_engine(const std::vector<TinyLayer>& layers = {{}}) {
  TinyPlanWriter w;
  const Dim tokens = Dim::symbol("tokens"), batch = Dim::symbol("batch");
  const int ids = w.input("token_ids", {tokens});
  const int positions = w.input("positions", {tokens});
  const int rows = w.input("token_rows", {tokens});
  const int offsets = w.input("query_offsets", {batch + 1});
  const int lengths = w.input("context_lengths", {batch});
  const int logit_rows = w.input("logit_rows", {Dim::symbol("logit_rows")});
  const int embed = w.weight("embed", {kTinyVocab, kTinyDim});
  const int head = w.weight("head", {kTinyVocab, kTinyDim});
  w.plan.limits = {{"tokens", 64}, {"batch", 4}, {"max_blocks", 8}, {"logit_rows", 4}};
  w.plan.outputs = {kNoValue};
  int x = w.step("embedding", {{"dtype", std::string("float32")}}, {ids, embed})[0];
  for (size_t i = 0; i < layers.size(); ++i) {
    const TinyLayer& layer = layers[i];
    const std::string suffix = i == 0 ? "" : std::to_string(i);
    const int tables = w.input(layer.table, {batch, Dim::symbol("max_blocks")});
    const int k = w.state("k" + suffix, layer), v = w.state("v" + suffix, layer);
    const auto kv = w.step("kv_append", {}, {x, x, k, v, positions, rows, tables}, 2);
    Attrs attrs = {{"head_dim", kTinyDim}, {"scale", 0.5}};
    if (layer.window > 0) attrs["window"] = layer.window;
    const int y = w.step("paged_attention", attrs,
                         {x, kv[0], kv[1], positions, rows, offsets, lengths, tables})[0];
    x = w.step("add", {}, {x, y})[0];
    w.plan.outputs.insert(w.plan.outputs.end(), kv.begin(), kv.end());
  }
  const int last = w.step("gather", {}, {x, logit_rows})[0];
  const int logits = w.step("linear", {{"dtype", std::string("float32")}}, {last, head})[0];
  w.plan.values[static_cast<size_t>(logits)].name = "logits";
  w.plan.outputs[0] = logits;
  w.plan.name = "forward";
  w.plan.buckets = {w.plan.limits};
  auto engine = std::make_shared<Engine>();
  for (uint64_t t = 0; t < 2; ++t) {
    auto data = std::make_shared<std::vector<float>>();
    for (int64_t i = 0; i < kTinyVocab * kTinyDim; ++i) {
      // The head is small, so that a draw has more than one likely outcome.
      const double scale = t == 0 ? 1.0 : 0.2;
      data->push_back(static_cast<float>(scale * random_normal(t + 1, static_cast<uint64_t>(i))));
    }
    engine->tensors.push_back(std::as_bytes(std::span(*data)));
    engine->owners.push_back(data);
  }
  engine->plan = std::move(w.plan);
  return engine;
}

}  // namespace ingot
