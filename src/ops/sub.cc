#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_sub {

struct Sub : ops::NoAttrs {
  static constexpr std::string_view name = "sub";
  static constexpr std::string_view onnx = "Sub";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return a - b;
    } else {
      return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));  // wraps
    }
  }
  static std::optional<Dim> dims(const Dim& a, const Dim& b) { return a - b; }
};

}  // namespace op_sub

const OpDef& sub_op() {
  using namespace op_sub;
  static const OpDef op = ops::binary_op<Sub>();
  return op;
}

}  // namespace ingot
