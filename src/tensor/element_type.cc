#include "tensor/element_type.h"

#include "base/check.h"
#include "base/error.h"

namespace ingot {

std::string ElementType::name() const {
  return std::string(block ? block->name : dtype_name(dtype));
}

int64_t ElementType::bytes(int64_t elements) const {
  if (!block) return elements * static_cast<int64_t>(dtype_size(dtype));
  CHECK_EQ(elements % block->block_elements, 0);
  return elements / block->block_elements * block->block_bytes;
}

ElementType parse_element_type(std::string_view name) {
  if (auto dtype = parse_dtype(name)) return *dtype;
  if (const BlockFormat* format = find_block_format(name)) return ElementType(*format);
  fail(ErrorCode::kUnsupported, "tensor/element_type", "unknown element type '{}'", name);
}

}  // namespace ingot
