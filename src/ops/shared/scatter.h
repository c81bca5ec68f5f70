// What scatter_elements and scatter_nd share: the reduction of an update into a copy of the data.
#pragma once

#include <algorithm>
#include <string>

#include "ops/shared/element.h"
#include "ops/shared/shape.h"

namespace ingot::ops {

void check_reduction(const InferArgs& args, const std::string& reduction);

template <typename T>
T reduce_update(T old, T update, const std::string& reduction) {
  if (reduction == "none") return update;
  if (reduction == "max") return std::max(old, update);
  if (reduction == "min") return std::min(old, update);
  if constexpr (std::is_floating_point_v<T>) {
    return reduction == "add" ? old + update : old * update;
  } else {
    const auto a = static_cast<uint64_t>(old), b = static_cast<uint64_t>(update);  // wraps
    return static_cast<T>(reduction == "add" ? a + b : a * b);
  }
}

}  // namespace ingot::ops
