#include "ops/shared/element.h"

#include <cstring>

#include "base/error.h"

namespace ingot::ops {

void copy_elements(const TensorView& src, const TensorView& dst) {
  if (src.elements() != dst.elements()) {
    fail(ErrorCode::kInvalidArgument, "ops", "{} has {} elements, {} has {}", shape_text(src.shape),
         src.elements(), shape_text(dst.shape), dst.elements());
  }
  if (src.data == dst.data) return;
  if (src.is_packed() && dst.is_packed()) {
    std::memcpy(dst.data, src.data, static_cast<size_t>(src.bytes()));
    return;
  }
  const ElementMover mover(src, dst);
  for (int64_t i = 0; i < src.elements(); ++i) mover.move(i, i);
}

}  // namespace ingot::ops
