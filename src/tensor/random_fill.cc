#include "tensor/random_fill.h"

#include <algorithm>

#include "base/check.h"
#include "base/thread_team.h"

namespace ingot {
namespace {

constexpr int64_t kGrain = int64_t{1} << 16;  // elements: tens of microseconds

template <typename T, typename Round>
void fill_range(std::byte* dst, int64_t first, int64_t begin, int64_t end, const RandomFill& fill,
                Round round) {
  T* out = reinterpret_cast<T*>(dst);
  for (int64_t i = begin; i < end; ++i) {
    out[i] = round(random_fill_value(fill, static_cast<uint64_t>(first + i)));
  }
}

}  // namespace

bool is_random_type(DType type) {
  return type == DType::kFloat32 || type == DType::kBFloat16 || type == DType::kFloat16;
}

void fill_random_host(std::byte* dst, DType type, int64_t first, int64_t count,
                      const RandomFill& fill, ThreadTeam* team) {
  CHECK_MSG(is_random_type(type), "random {}", dtype_name(type));
  auto part = [&](int64_t begin, int64_t end) {
    if (type == DType::kFloat32) {
      fill_range<float>(dst, first, begin, end, fill, [](float x) { return x; });
    } else if (type == DType::kBFloat16) {
      fill_range<uint16_t>(dst, first, begin, end, fill, f32_to_bf16);
    } else {
      fill_range<uint16_t>(dst, first, begin, end, fill, f32_to_f16);
    }
  };
  if (team) {
    team->parallel_for(count, kGrain, part);
  } else {
    part(0, count);
  }
}

}  // namespace ingot
