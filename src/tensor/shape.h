// Concrete shapes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ingot {

using Shape = std::vector<int64_t>;  // every entry >= 0; {} is a scalar

inline int64_t element_count(const Shape& shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}
std::string shape_text(const Shape& shape);  // "[2, 3]"

}  // namespace ingot
