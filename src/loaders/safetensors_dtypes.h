// safetensors dtype names.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/dtype.h"

namespace ingot {

struct SafetensorsDType {
  std::string_view name;
  DType dtype;
};
inline constexpr std::array<SafetensorsDType, 13> kSafetensorsDTypes = {{{"F32", DType::kFloat32},
                                                                         {"F16", DType::kFloat16},
                                                                         {"BF16", DType::kBFloat16},
                                                                         {"F64", DType::kFloat64},
                                                                         {"I8", DType::kInt8},
                                                                         {"U8", DType::kUInt8},
                                                                         {"I16", DType::kInt16},
                                                                         {"U16", DType::kUInt16},
                                                                         {"I32", DType::kInt32},
                                                                         {"U32", DType::kUInt32},
                                                                         {"I64", DType::kInt64},
                                                                         {"U64", DType::kUInt64},
                                                                         {"BOOL", DType::kBool}}};

// nullopt for the format's other dtypes (F8_E4M3, F8_E5M2, F8_E8M0, F4, C64, ...) and unknown ones.
inline std::optional<DType> parse_safetensors_dtype(std::string_view name) {
  for (const SafetensorsDType& entry : kSafetensorsDTypes) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

// All of them, for messages.
inline std::string safetensors_dtype_names() {
  std::string out;
  for (const SafetensorsDType& entry : kSafetensorsDTypes) {
    (out += out.empty() ? "" : ", ") += entry.name;
  }
  return out;
}

// CHECKs that `dtype` is a scalar.
inline std::string_view safetensors_dtype_name(DType dtype) {
  for (const SafetensorsDType& entry : kSafetensorsDTypes) {
    if (entry.dtype == dtype) return entry.name;
  }
  CHECK_MSG(false, "safetensors has no dtype {}", dtype_name(dtype));
  return {};
}

}  // namespace ingot
