// What the elements of a value are: a scalar dtype or a quantized block format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/dtype.h"
#include "tensor/block_format.h"

namespace ingot {

// A small value. `block` is set exactly when dtype is kBlock.
struct ElementType {
  DType dtype = DType::kFloat32;
  const BlockFormat* block = nullptr;

  ElementType() = default;
  ElementType(DType d) : dtype(d) {}  // NOLINT: a dtype is an element type
  explicit ElementType(const BlockFormat& format) : dtype(DType::kBlock), block(&format) {}

  bool is_block() const { return dtype == DType::kBlock; }
  bool operator==(const ElementType&) const = default;
  std::string name() const;
  // Bytes of `elements` elements laid out in one run. For a block format `elements` must be a
  // multiple of its block (CHECK). Fits int64 whenever elements <= 2^58.
  int64_t bytes(int64_t elements) const;
};

// By name: a dtype ("float32", "bf16") or a format ("q4_1"). Error{kUnsupported} if unknown.
ElementType parse_element_type(std::string_view name);

}  // namespace ingot
