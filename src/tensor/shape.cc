#include "tensor/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ingot {

std::string shape_text(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

}  // namespace ingot
