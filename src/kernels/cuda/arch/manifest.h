// Which instantiations of library templates are compiled: the one list for all files. Without
// INGOT_CUDA_FULL (cmake -DINGOT_CUDA_FULL=ON) it is what tests and continuous integration build,
// which the compile budget bounds: docs/gpu.md has the seconds of each file.
#pragma once

#include <type_traits>

#include "kernels/cuda/contract/views.h"

namespace ingot::cuda {

enum class Family {
  kFlashInferDecode,   // paged_attention_flashinfer_decode.cu, also by group
  kFlashInferGroup,    // paged_attention_flashinfer_group.cu
  kFlashInferPrefill,  // paged_attention_flashinfer_prefill.cu
};

// `group`: query heads a KV head, where a family is compiled by group; else 0.
constexpr bool is_compiled(Family family, [[maybe_unused]] bool is_bf16, [[maybe_unused]] int dim,
                           int group) {
  if ((family == Family::kFlashInferDecode) != (group > 0)) return false;
#ifdef INGOT_CUDA_FULL
  return true;
#else
  // On CUDA cores it wins by a tenth at short contexts alone: two groups stand for all.
  if (family == Family::kFlashInferDecode && group != 1 && group != 4) return false;
  return is_bf16 || dim < 256;  // models with heads of 256 come in bfloat16
#endif
}

// Calls f(T{}, head size, group), the numbers as integral constants, if that is compiled; else
// returns false. The head sizes are those that FlashInfer has.
template <Family kFamily, class F>
bool with_compiled(const ElementType& type, int64_t dim, int64_t group, F&& f) {
  const auto with_group = [&](auto tag, auto d, auto g) {
    if constexpr (is_compiled(kFamily, std::is_same_v<decltype(tag), __nv_bfloat16>, d, g)) {
      if (group == g) return f(tag, d, g), true;
    }
    return false;
  };
  const auto with_dim = [&](auto tag, auto d) {
    if (dim != d) return false;
    return with_group(tag, d, std::integral_constant<int, 0>{}) ||
           with_group(tag, d, std::integral_constant<int, 1>{}) ||
           with_group(tag, d, std::integral_constant<int, 2>{}) ||
           with_group(tag, d, std::integral_constant<int, 3>{}) ||
           with_group(tag, d, std::integral_constant<int, 4>{}) ||
           with_group(tag, d, std::integral_constant<int, 5>{}) ||
           with_group(tag, d, std::integral_constant<int, 6>{}) ||
           with_group(tag, d, std::integral_constant<int, 7>{}) ||
           with_group(tag, d, std::integral_constant<int, 8>{});
  };
  const auto with_type = [&](auto tag) {
    return with_dim(tag, std::integral_constant<int, 64>{}) ||
           with_dim(tag, std::integral_constant<int, 128>{}) ||
           with_dim(tag, std::integral_constant<int, 256>{});
  };
  if (type == DType::kBFloat16) return with_type(__nv_bfloat16{});
  if (type == DType::kFloat16) return with_type(__half{});
  return false;
}

// Why the manifest lacks a descriptor's shape.
inline std::string not_compiled(const ElementType& type, int64_t dim, int64_t group) {
  std::string text = type.name() + " with heads of " + std::to_string(dim);
  if (group > 0) text += " in groups of " + std::to_string(group);
  return text + " is not compiled in";
}

}  // namespace ingot::cuda
