#include "base/checked.h"

namespace ingot {

int64_t checked_elements(std::span<const int64_t> dims, std::string_view what) {
  constexpr int64_t kLimit = int64_t{1} << 62;
  int64_t total = 1;
  for (int64_t dim : dims) {
    if (dim < 0)
      fail(ErrorCode::kCorrupt, "base/checked", "{}: dimension {} is negative", what, dim);
    if (__builtin_mul_overflow(total, dim, &total) || total > kLimit) {
      fail(ErrorCode::kCorrupt, "base/checked", "{}: the number of elements exceeds 2^62", what);
    }
  }
  return total;
}

}  // namespace ingot
