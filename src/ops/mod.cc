#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_mod {

// Remainder with the divisor's sign (Python), or with fmod = 1 the dividend's sign (C). x mod 0 is
// 0 for integers.
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
    } else if constexpr (std::is_signed_v<T>) {
      if (b == 0 || b == -1) return 0;
      const T r = a % b;
      return fmod || r == 0 || (r < 0) == (b < 0) ? r : r + b;
    } else {
      return b == 0 ? 0 : a % b;
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
