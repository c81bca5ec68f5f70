// Gated units, activation(a) * b in float32, and their activations. Roundings that the compiler
// might fuse in one kernel and not in another are spelt out: kernels that use these claim the same
// bits everywhere.
#pragma once

#include "kernels/cuda/contract/launch.cuh"

namespace ingot::cuda {

struct SiluMul {
  static __device__ float apply(float a, float b) { return a / (1.0f + expf(-a)) * b; }
};
struct ReluMul {
  static __device__ float apply(float a, float b) { return (a > 0 ? a : 0.0f) * b; }
};
__device__ inline float gelu(float a) {
  const float bell = erff(__fmul_rn(a, 0.70710678f));
  return __fmul_rn(__fmul_rn(0.5f, a), __fadd_rn(1.0f, bell));
}
__device__ inline float gelu_tanh(float a) {
  const float cube = __fmul_rn(__fmul_rn(__fmul_rn(0.044715f, a), a), a);
  const float bell = tanhf(__fmul_rn(0.79788456f, __fadd_rn(a, cube)));
  return __fmul_rn(__fmul_rn(0.5f, a), __fadd_rn(1.0f, bell));
}
struct GeluMul {
  static __device__ float apply(float a, float b) { return __fmul_rn(gelu(a), b); }
};
struct GeluTanhMul {
  static __device__ float apply(float a, float b) { return __fmul_rn(gelu_tanh(a), b); }
};

// Told apart at run time.
enum class GatedActivation { kSilu, kRelu, kGelu, kGeluTanh };

__device__ inline float gated(GatedActivation activation, float a, float b) {
  switch (activation) {
    case GatedActivation::kSilu:
      return SiluMul::apply(a, b);
    case GatedActivation::kRelu:
      return ReluMul::apply(a, b);
    case GatedActivation::kGelu:
      return GeluMul::apply(a, b);
    default:
      return GeluTanhMul::apply(a, b);
  }
}

// Of an operator's attribute `activation`, which gated_supports() has seen or infer() has checked.
inline GatedActivation gated_activation(const Attrs& attrs) {
  const auto name = attr_or<std::string>(attrs, "activation", "silu");
  if (name == "relu") return GatedActivation::kRelu;
  if (name == "gelu") return GatedActivation::kGelu;
  if (name == "gelu_tanh") return GatedActivation::kGeluTanh;
  return GatedActivation::kSilu;
}
inline std::string gated_supports(const Attrs& attrs) {
  const auto name = attr_or<std::string>(attrs, "activation", "silu");
  for (std::string_view known : {"silu", "relu", "gelu", "gelu_tanh"}) {
    if (name == known) return "";
  }
  return "activation " + name;
}

}  // namespace ingot::cuda
