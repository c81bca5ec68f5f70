#include "base/checked.h"

namespace ingot {

int64_t checked_elements(std::span<const int64_t> dims, std::string_view what) {
  constexpr int64_t kLimit = int64_t{1} << 62;
  constexpr int64_t kEmptyLimit = int64_t{1} << 58;
  bool empty = false;
  int64_t extent = 1;  // of the dimensions that are not 0: strides are products of them
  for (int64_t dim : dims) {
    if (dim < 0)
      fail(ErrorCode::kCorrupt, "base/checked", "{}: dimension {} is negative", what, dim);
    empty |= dim == 0;
    if (dim > 0 && (__builtin_mul_overflow(extent, dim, &extent) || extent > kLimit)) {
      fail(ErrorCode::kCorrupt, "base/checked", "{}: the number of elements exceeds 2^62", what);
    }
  }
  if (empty && extent > kEmptyLimit) {
    fail(ErrorCode::kCorrupt, "base/checked", "{}: the sizes beside 0 exceed 2^58", what);
  }
  return empty ? 0 : extent;
}

}  // namespace ingot
