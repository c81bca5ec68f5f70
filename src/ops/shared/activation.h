// The activations of gated units, by name.
#pragma once

#include <cmath>
#include <string_view>

namespace ingot::ops {

using Activation = float (*)(float);

// nullptr when the name is unknown.
inline Activation find_activation(std::string_view name) {
  if (name == "silu") return [](float x) { return x / (1.0f + std::exp(-x)); };
  if (name == "relu") return [](float x) { return x > 0 ? x : 0.0f; };
  if (name == "gelu") return [](float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678f)); };
  if (name == "gelu_tanh") {
    return [](float x) {
      return 0.5f * x * (1.0f + std::tanh(0.79788456f * (x + 0.044715f * x * x * x)));
    };
  }
  return nullptr;
}

}  // namespace ingot::ops
