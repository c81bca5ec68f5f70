#include "ops/shared/normed_input.h"

#include <algorithm>

#include "ops/shared/residual_match.h"

namespace ingot::ops {

void check_norm_weight(const InferArgs& args) {
  const ValueType& x = args.input(0);
  const ValueType& w = args.input(3);
  if (w.shape.size() != 1 || !(w.shape[0] == x.shape.back()) || !is_float(w.element.dtype)) {
    args.bad(fmt::format("norm weight {} does not fit input {}", type_text(w), type_text(x)));
  }
}

int emit_row_norm(OpEmitter& emitter, const RowNormAttrs& attrs, std::span<const int> inputs) {
  return emitter.emit("rms_norm",
                      {{"epsilon", attrs.epsilon}, {"weight_offset", attrs.weight_offset}},
                      {inputs[0], inputs[3]});
}

std::optional<FusionMatch> match_normed_input(const StepSource& steps, FusionMatch layer,
                                              std::string_view op) {
  FusionMatch::Step& last = layer.steps.front();
  const int normed = last.inputs[0];
  const auto made = steps.producer(normed);
  if (!made || steps.readers(normed) != 1) return {};
  // Nothing makes the norm any more: nor is it a bias.
  if (std::count(last.inputs.begin(), last.inputs.end(), normed) != 1) return {};
  const StepSource::Step norm = steps.step(*made);
  if (attr_or<int64_t>(norm.attrs, "group", 0) != 0) return {};
  FusionMatch out;
  int source = kNoValue, weight = kNoValue;
  if (norm.op == "rms_norm") {
    source = norm.inputs[0];
    weight = norm.inputs[1];
  } else if (norm.op == "add_rms_norm" && normed == norm.outputs[1]) {
    auto residual = match_residual_linear(steps, *made);
    if (!residual) return {};
    source = norm.outputs[0];
    weight = norm.inputs[2];
    residual->fused.attrs["hold_next"] = true;
    out.steps.push_back(std::move(residual->fused));
    out.covers.push_back(residual->linear);
  } else {
    return {};
  }
  last.op = op;
  last.inputs.resize(3, kNoValue);
  last.inputs[0] = source;
  last.inputs.push_back(weight);
  for (const char* name : {"epsilon", "weight_offset"}) {
    const auto found = norm.attrs.find(name);
    if (found != norm.attrs.end()) last.attrs.insert(*found);
  }
  out.steps.push_back(std::move(last));
  out.covers.push_back(*made);
  out.covers.insert(out.covers.end(), layer.covers.begin(), layer.covers.end());
  return out;
}

}  // namespace ingot::ops
