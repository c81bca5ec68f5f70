#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_mod {

// Remainder with the divisor's sign (Python), or with fmod = 1 the dividend's sign (C). An integer
// modulo 0 is an error.
struct Mod {
  static constexpr std::string_view name = "mod";
  static constexpr std::string_view onnx = "Mod";
  static constexpr auto types = ops::Types::kNumeric;
  int64_t fmod = 0;
  template <typename V>
  void fields(V& v) {
    v("fmod", fmod);
  }
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      const T r = std::fmod(a, b);
      return fmod || r == 0 || (r < 0) == (b < 0) ? r : r + b;
    } else if (b == 0) {
      fail(ErrorCode::kInvalidArgument, "ops/mod", "integer {} modulo zero", a);
    } else if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
      const T r = a % b;
      return fmod || r == 0 || (r < 0) == (b < 0) ? r : r + b;
    } else {
      return a % b;
    }
  }
};

}  // namespace op_mod

const OpDef& mod_op() {
  using namespace op_mod;
  static const OpDef op = ops::binary_op<Mod>(10);
  return op;
}

}  // namespace ingot
