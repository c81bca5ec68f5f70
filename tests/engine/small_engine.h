// Engines made by hand, without graph or compiler.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "engine/executor.h"
#include "tensor/device.h"
#include "tests/loaders/test_files.h"

namespace ingot {

inline std::vector<float> ramp(size_t count, float start, float step) {
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = start + step * static_cast<float>(i % 17);
  return out;
}

template <typename T>
TensorView host_view(std::vector<T>& values, Shape shape) {
  DType dtype = DType::kFloat32;
  if constexpr (std::is_same_v<T, int32_t>) dtype = DType::kInt32;
  if constexpr (std::is_same_v<T, int64_t>) dtype = DType::kInt64;
  if constexpr (std::is_same_v<T, uint8_t>) dtype = DType::kBool;
  return {dtype, std::move(shape), reinterpret_cast<std::byte*>(values.data())};
}

inline std::vector<float> floats_of(const TensorView& view) {
  std::vector<float> out(static_cast<size_t>(view.elements()));
  for (int64_t r = 0; r < view.rows(); ++r) {
    load_row(view, r, 0, view.columns(), out.data() + r * view.columns());
  }
  return out;
}

// Plans step by step; weights are float32 and in as many pieces as given.
class EngineMaker {
 public:
  explicit EngineMaker(const std::string& name = "small") { engine_->plan.name = name; }

  int value(PlanValue::Kind kind, const std::string& name, ValueType type) {
    PlanValue out;
    out.kind = kind;
    out.name = name;
    out.type = std::move(type);
    const int id = static_cast<int>(plan().values.size());
    plan().values.push_back(std::move(out));
    if (kind == PlanValue::Kind::kInput) plan().inputs.push_back(id);
    if (kind == PlanValue::Kind::kState) add_state(id);
    return id;
  }
  int input(const std::string& name, ElementType type, SymShape shape) {
    return value(PlanValue::Kind::kInput, name, {type, std::move(shape)});
  }
  int weight(const std::string& name, Shape shape, std::vector<int64_t> rows = {}) {
    const int id = value(PlanValue::Kind::kWeight, name, {DType::kFloat32, sym_shape(shape)});
    if (rows.empty()) rows = {shape[0]};
    for (size_t piece = 0; piece < rows.size(); ++piece) {
      Shape part = shape;
      part[0] = rows[piece];
      auto data = std::make_shared<std::vector<float>>(
          ramp(static_cast<size_t>(element_count(part)), 0.1f * static_cast<float>(id + 1), 0.03f));
      const int tensor = static_cast<int>(plan().tensors.size());
      plan().tensors.push_back({name + "." + std::to_string(piece), DType::kFloat32, part});
      engine_->tensors.push_back(std::as_bytes(std::span(*data)));
      engine_->owners.push_back(data);
      plan().values[static_cast<size_t>(id)].segments.push_back(tensor);
    }
    return id;
  }
  std::vector<int> step(const std::string& op, Attrs attrs, std::vector<int> inputs,
                        size_t outputs = 1, StepKind kind = StepKind::kKernel) {
    const OpDef& def = get_op(op);
    std::vector<const ValueType*> types;
    for (int id : inputs) {
      types.push_back(id == kNoValue ? nullptr : &plan().values[static_cast<size_t>(id)].type);
    }
    auto results = [&](int64_t index) {
      std::vector<ValueType> out;
      const Plan& body = plan().subplans.at(static_cast<size_t>(index));
      for (int id : body.outputs) out.push_back(body.values[static_cast<size_t>(id)].type);
      return out;
    };
    const std::vector<ValueType> inferred =
        def.infer({op, types, attrs, [](size_t) { return nullptr; }, outputs, results});
    PlanStep step{kind, op, attrs, inputs, {}, {}};
    int64_t column = 0;
    for (size_t i = 0; i < inferred.size(); ++i) {
      const int id = value(PlanValue::Kind::kActivation,
                           op + "_" + std::to_string(plan().values.size()), inferred[i]);
      PlanValue& out = plan().values.back();
      for (const Effects::Alias& alias : def.effects.aliases) {
        if (alias.output == static_cast<int>(i)) {
          out.storage = inputs[static_cast<size_t>(alias.input)];
        }
      }
      if (kind == StepKind::kView) {
        out.storage = inputs[0];
        out.column_offset = column;
        column += out.type.shape.back().constant();
      }
      step.outputs.push_back(id);
    }
    plan().steps.push_back(step);
    return step.outputs;
  }
  void output(int id, const std::string& name) {
    plan().values[static_cast<size_t>(id)].name = name;
    plan().outputs.push_back(id);
  }
  Plan& plan() { return engine_->plan; }
  std::shared_ptr<Engine> finish(SymbolValues limits, std::vector<Bucket> buckets = {}) {
    plan().limits = std::move(limits);
    plan().buckets = std::move(buckets);
    return engine_;
  }

 private:
  void add_state(int id) {
    plan().states.push_back(id);
    if (plan().groups.empty()) plan().groups.push_back({"kv", "paged"});
    plan().groups[0].add(plan().values.back().type);
    plan().values.back().group = "kv";
  }

  std::shared_ptr<Engine> engine_ = std::make_shared<Engine>();
};

// x[tokens, 8] -> linear (weight in pieces) -> two column views -> act_mul -> "y".
inline std::shared_ptr<Engine> gated_engine(int64_t limit = 16) {
  EngineMaker maker;
  const int x = maker.input("x", DType::kFloat32, {Dim::symbol("tokens"), 8});
  const int w = maker.weight("w", {8, 8}, {4, 4});
  const int h = maker.step("linear", {}, {x, w})[0];
  const auto parts = maker.step("split_columns", {{"widths", std::vector<int64_t>{4, 4}}}, {h}, 2,
                                StepKind::kView);
  maker.output(maker.step("act_mul", {}, {parts[0], parts[1]})[0], "y");
  auto engine = maker.finish({{"tokens", limit}}, {{{"tokens", 1}}, {{"tokens", limit}}});
  engine->extras["source"] = "test";
  engine->devices.push_back({"nowhere", {{"desc", {"kernel", 1, "tactic", 2.5}}}});
  return engine;
}

inline std::vector<float> run_gated(std::shared_ptr<const Engine> engine, Device& device,
                                    int64_t tokens = 3, ExecutorOptions options = {}) {
  Executor executor(std::move(engine), device, std::move(options));
  std::vector<float> x = ramp(static_cast<size_t>(tokens * 8), -1, 0.2f);
  executor.set_input("x", host_view(x, {tokens, 8}));
  executor.run();
  return floats_of(executor.output("y"));
}

}  // namespace ingot
