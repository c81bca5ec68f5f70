#include "engine/step_sizes.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "engine/step_sizes";

const ValueType& operand_type(const Plan& plan, int id) {
  return plan.values[static_cast<size_t>(id)].type;
}

// Lists of dimensions as text (Reshape, Expand, Slice) with the symbols' sizes put in.
Attrs with_sizes(const Attrs& attrs, const SymbolValues& symbols) {
  std::map<std::string, Dim, std::less<>> sizes;
  for (const auto& [name, size] : symbols) sizes[name] = size;
  Attrs out = attrs;
  for (auto& [key, value] : out) {
    auto* list = std::get_if<std::vector<std::string>>(&value);
    if (!list) continue;
    for (std::string& text : *list) text = Dim::parse(text).substitute(sizes).text();
  }
  return out;
}

// Throws Error, without naming the step, unless the operator takes operands of these shapes (one an
// input, nothing at absent ones) and gives results of those.
void check_shapes(const Plan& plan, const PlanStep& step, const std::vector<Shape>& inputs,
                  const std::vector<Shape>& outputs, const SymbolValues& symbols) {
  std::vector<ValueType> types(step.inputs.size());
  std::vector<const ValueType*> given(step.inputs.size(), nullptr);
  for (size_t i = 0; i < types.size(); ++i) {
    if (step.inputs[i] == kNoValue) continue;
    const ValueType& type = operand_type(plan, step.inputs[i]);
    types[i] = {type.element, sym_shape(inputs[i]), type.state};
    given[i] = &types[i];
  }
  const Attrs attrs = with_sizes(step.attrs, symbols);
  const InferArgs args{step.op, given, attrs, [](size_t) -> const TensorView* { return nullptr; },
                       outputs.size()};
  const std::vector<ValueType> inferred = get_op(step.op).infer(args);
  for (size_t i = 0; i < outputs.size() && i < inferred.size(); ++i) {
    const Shape expected = evaluate(inferred[i].shape, symbols);
    if (expected == outputs[i]) continue;
    args.bad(fmt::format("result {}: expected {}, found {}", i, shape_text(expected),
                         shape_text(outputs[i])));
  }
}

bool takes_sizes(const Plan& plan, const PlanStep& step, const SymbolValues& symbols) {
  try {
    std::vector<Shape> inputs, outputs;
    for (int id : step.inputs) {
      inputs.push_back(id == kNoValue ? Shape() : evaluate(operand_type(plan, id).shape, symbols));
    }
    for (int id : step.outputs) outputs.push_back(evaluate(operand_type(plan, id).shape, symbols));
    for (const std::vector<Shape>* shapes : {&inputs, &outputs}) {
      for (const Shape& shape : *shapes) {
        if (std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; })) {
          return false;
        }
      }
    }
    check_shapes(plan, step, inputs, outputs, symbols);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

bool sizes_may_disagree(const Plan& plan, const PlanStep& step) {
  std::set<std::string> symbols;
  for (const std::vector<int>* ids : {&step.inputs, &step.outputs}) {
    for (int id : *ids) {
      if (id == kNoValue) continue;
      for (const Dim& dim : operand_type(plan, id).shape) {
        for (std::string& name : dim.symbols()) symbols.insert(std::move(name));
      }
    }
  }
  if (symbols.empty()) return false;
  // Relations between sizes are equalities, divisibility and bounds: sizes of no common divisor
  // that rise and fall from symbol to symbol, and the smallest ones, break whatever can be broken.
  // (A step that breaks at other sizes alone would have to be made for them.)
  constexpr std::array<int64_t, 6> kPrimes = {1009, 2003, 4001, 8009, 16001, 32003};
  for (int64_t least : {0, 1}) {
    SymbolValues sizes;
    for (const std::string& name : symbols) sizes[name] = least;
    if (!takes_sizes(plan, step, sizes)) return true;
  }
  for (bool falling : {false, true}) {
    SymbolValues sizes;
    size_t at = 0;
    for (const std::string& name : symbols) {
      const size_t prime = at++ % kPrimes.size();
      sizes[name] = kPrimes[falling ? kPrimes.size() - 1 - prime : prime] +
                    static_cast<int64_t>(at / kPrimes.size()) * 6;
    }
    if (!takes_sizes(plan, step, sizes)) return true;
  }
  SymbolValues huge;
  for (const std::string& name : symbols) huge[name] = (int64_t{1} << 20) + 7;
  return !takes_sizes(plan, step, huge);
}

void check_step_sizes(const Plan& plan, const PlanStep& step, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs, const SymbolValues& symbols) {
  std::vector<Shape> in, out;
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const int id = step.inputs[i];
    // A weight's view may be packed for its kernel; its type tells the shape.
    const bool weight =
        id != kNoValue && plan.values[static_cast<size_t>(id)].kind == PlanValue::Kind::kWeight;
    in.push_back(weight ? evaluate(operand_type(plan, id).shape, {}) : inputs[i].shape);
  }
  for (const TensorView& view : outputs) out.push_back(view.shape);
  try {
    check_shapes(plan, step, in, out, symbols);
  } catch (const Error& error) {
    fail(ErrorCode::kInvalidArgument, kWhere, "step '{}' {}: {}", step.op, step.origin,
         error.what());
  }
}

}  // namespace ingot
