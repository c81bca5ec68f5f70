#include "engine/plan_check.h"

#include <deque>
#include <memory>

#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "engine/plan";
constexpr int kMaxDepth = 8;  // of decompositions inside decompositions

// Follows a decomposition by types alone.
class TypeEmitter final : public OpEmitter {
 public:
  explicit TypeEmitter(int depth) : depth_(depth) {}

  int add(const ValueType& type, const TensorView* constant) {
    types_.push_back(type);
    constants_.push_back(constant);
    return static_cast<int>(types_.size()) - 1;
  }
  std::vector<int> emit_many(std::string_view op, Attrs attrs, std::vector<int> inputs,
                             size_t outputs) override;
  const ValueType& type(int value) const override { return types_.at(static_cast<size_t>(value)); }
  const TensorView* constant(int value) const override {
    return constants_.at(static_cast<size_t>(value));
  }
  int add_constant(ElementType type, Shape shape, std::span<const std::byte> data) override {
    auto& bytes = bytes_.emplace_back(data.begin(), data.end());
    bytes.resize(std::max<size_t>(1, bytes.size()));
    views_.push_back({type, shape, bytes.data()});
    return add({type, sym_shape(shape)}, &views_.back());
  }

 private:
  int depth_;
  std::deque<ValueType> types_;
  std::deque<const TensorView*> constants_;
  std::deque<TensorView> views_;
  std::deque<std::vector<std::byte>> bytes_;
};

// Types that `op` gives, after its own checks and, where it is fused, those of its parts.
std::vector<ValueType> types_of(const InferArgs& args, int depth) {
  const OpDef& def = get_op(args.op);
  std::vector<ValueType> out = def.infer(args);
  for (const Effects::Alias& alias : def.effects.aliases) {
    args.input(static_cast<size_t>(alias.input));
  }
  if (!def.decompose) return out;
  if (depth > kMaxDepth) args.bad("its decomposition does not end");
  TypeEmitter emitter(depth + 1);
  std::vector<int> inputs;
  for (size_t i = 0; i < args.inputs.size(); ++i) {
    inputs.push_back(args.inputs[i] ? emitter.add(*args.inputs[i], args.constant(i)) : kNoValue);
  }
  const std::vector<int> parts = def.decompose(emitter, args.attrs, inputs);
  if (parts.size() != out.size()) args.bad("its decomposition gives another number of results");
  for (size_t i = 0; i < out.size(); ++i) {
    const ValueType& part = emitter.type(parts[i]);
    const bool fixed = is_constant(part.shape) && is_constant(out[i].shape);
    if (!(part.element == out[i].element) || (fixed && part.shape != out[i].shape)) {
      args.bad(fmt::format("result {} is {}, its decomposition gives {}", i, type_text(out[i]),
                           type_text(part)));
    }
  }
  return out;
}

std::vector<int> TypeEmitter::emit_many(std::string_view op, Attrs attrs, std::vector<int> inputs,
                                        size_t outputs) {
  std::vector<const ValueType*> types;
  for (int id : inputs) types.push_back(id == kNoValue ? nullptr : &type(id));
  const InferArgs args{op, types, attrs,
                       [&](size_t i) -> const TensorView* {
                         return i < inputs.size() && inputs[i] != kNoValue ? constant(inputs[i])
                                                                           : nullptr;
                       },
                       outputs};
  std::vector<int> ids;
  for (const ValueType& type : types_of(args, depth_)) ids.push_back(add(type, nullptr));
  return ids;
}

class PlanChecker {
 public:
  PlanChecker(const Plan& plan, const std::vector<PlanTensor>& tensors,
              const std::vector<std::span<const std::byte>>& bytes)
      : plan_(plan), tensors_(tensors), bytes_(bytes), constants_(plan.values.size()) {}

  void run() {
    for (const PlanStep& step : plan_.steps) {
      try {
        check(step);
      } catch (const Error& error) {
        fail(ErrorCode::kCorrupt, kWhere, "plan '{}': step '{}' {}: {}", plan_.name, step.op,
             step.origin, error.what());
      }
    }
  }

 private:
  // A weight's bytes, where it is one piece.
  const TensorView* constant(int id) {
    const PlanValue& value = plan_.values[static_cast<size_t>(id)];
    if (value.kind != PlanValue::Kind::kWeight || value.segments.size() != 1) return nullptr;
    if (tensors_[static_cast<size_t>(value.segments[0])].random) return nullptr;
    std::unique_ptr<TensorView>& view = constants_[static_cast<size_t>(id)];
    if (!view) {
      const auto tensor = static_cast<size_t>(value.segments[0]);
      static std::byte empty[1];
      auto* data = const_cast<std::byte*>(bytes_[tensor].data());
      view = std::make_unique<TensorView>(TensorView{tensors_[tensor].type, tensors_[tensor].shape,
                                                     bytes_[tensor].empty() ? empty : data});
    }
    return view.get();
  }

  void check(const PlanStep& step) {
    std::vector<const ValueType*> types;
    for (int id : step.inputs) {
      types.push_back(id == kNoValue ? nullptr : &plan_.values[static_cast<size_t>(id)].type);
    }
    const InferArgs args{step.op,
                         types,
                         step.attrs,
                         [&](size_t i) -> const TensorView* {
                           const bool given = i < step.inputs.size() && step.inputs[i] != kNoValue;
                           return given ? constant(step.inputs[i]) : nullptr;
                         },
                         step.outputs.size(),
                         [&](int64_t index) { return results(index); }};
    const std::vector<ValueType> inferred = types_of(args, 0);
    if (inferred.size() != step.outputs.size()) {
      args.bad(fmt::format("has {} results, expected {}", step.outputs.size(), inferred.size()));
    }
    for (size_t i = 0; i < inferred.size(); ++i) {
      const ValueType& found = plan_.values[static_cast<size_t>(step.outputs[i])].type;
      if (!(found == inferred[i])) {
        args.bad(fmt::format("result {} is {}, expected {}", i, type_text(found),
                             type_text(inferred[i])));
      }
    }
    if (step.kind == StepKind::kIf) check_if(step, args);
    if (step.kind == StepKind::kLoop) check_loop(step, args);
  }

  std::vector<ValueType> results(int64_t index) const {
    if (index < 0 || index >= static_cast<int64_t>(plan_.subplans.size())) {
      fail(ErrorCode::kCorrupt, kWhere, "no subplan {}", index);
    }
    const Plan& body = plan_.subplans[static_cast<size_t>(index)];
    std::vector<ValueType> out;
    for (int id : body.outputs) out.push_back(body.values[static_cast<size_t>(id)].type);
    return out;
  }

  // A body takes `count` operands from input `first` on, none of them left out.
  void check_body(const PlanStep& step, const InferArgs& args, std::string_view graph, size_t own,
                  size_t first) const {
    const Plan& body = plan_.subplans[static_cast<size_t>(attr_or<int64_t>(step.attrs, graph, 0))];
    if (body.inputs.size() != own + step.inputs.size() - first) {
      args.bad(fmt::format("'{}' takes {} values, {} are given", graph, body.inputs.size(),
                           own + step.inputs.size() - first));
    }
    for (size_t i = first; i < step.inputs.size(); ++i) args.input(i);
  }
  void check_if(const PlanStep& step, const InferArgs& args) const {
    args.input(0);
    check_body(step, args, "then_graph", 0, 1);
    check_body(step, args, "else_graph", 0, 1);
  }
  void check_loop(const PlanStep& step, const InferArgs& args) const {
    if (step.inputs.size() < 2) args.bad("trip count and condition are missing");
    check_body(step, args, "body_graph", 2, 2);
  }

  const Plan& plan_;
  const std::vector<PlanTensor>& tensors_;
  const std::vector<std::span<const std::byte>>& bytes_;
  std::vector<std::unique_ptr<TensorView>> constants_;
};

void check(const Plan& plan, const std::vector<PlanTensor>& tensors,
           const std::vector<std::span<const std::byte>>& bytes) {
  for (const Plan& sub : plan.subplans) check(sub, tensors, bytes);
  PlanChecker(plan, tensors, bytes).run();
}

}  // namespace

void check_plan_types(const Plan& plan, const std::vector<std::span<const std::byte>>& tensors) {
  check(plan, plan.tensors, tensors);
}

}  // namespace ingot
