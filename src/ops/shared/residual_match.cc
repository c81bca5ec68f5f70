#include "ops/shared/residual_match.h"

#include <algorithm>

namespace ingot::ops {
namespace {

// The step of a linear layer that makes `product` for one reader in the type of `sum`.
std::optional<size_t> layer_of(const StepSource& steps, int product, int sum) {
  const auto made = steps.producer(product);
  if (!made || steps.readers(product) != 1) return {};
  const StepSource::Step linear = steps.step(*made);
  if (linear.op != "linear" || !steps.is_weight(linear.inputs[1])) return {};
  const ValueType& type = steps.type(product);
  if (!(type == steps.type(sum)) || !(type.element == steps.type(linear.inputs[0]).element)) {
    return {};
  }
  return made;
}

}  // namespace

std::optional<ResidualLinear> match_residual_linear(const StepSource& steps, size_t addition) {
  const StepSource::Step add = steps.step(addition);
  if (add.op != "add" && add.op != "add_rms_norm") return {};
  const int sum = add.outputs[0];
  for (const size_t i : {0, 1}) {
    const int product = add.inputs[i], residual = add.inputs[1 - i];
    // Nothing makes the product any more: not for its own residual, nor for the norm's weight.
    if (std::count(add.inputs.begin(), add.inputs.end(), product) != 1) continue;
    if (!(steps.type(residual) == steps.type(sum))) continue;
    const auto layer = layer_of(steps, product, sum);
    if (!layer) continue;
    const std::span<const int> in = steps.step(*layer).inputs;
    const int bias = in.size() > 2 ? in[2] : kNoValue;
    return ResidualLinear{*layer, {"linear_add", {}, {in[0], in[1], bias, residual}, {sum}}};
  }
  return {};
}

}  // namespace ingot::ops
