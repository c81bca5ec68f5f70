#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_bit_shift {

// Right shifts keep the sign of signed types. Shifting by the width or more, or by a negative
// count, leaves nothing but sign bits.
struct BitShift {
  static constexpr std::string_view name = "bit_shift";
  static constexpr std::string_view onnx = "BitShift";
  static constexpr auto types = ops::Types::kInteger;
  std::string direction;
  template <typename V>
  void fields(V& v) {
    v("direction", direction);
  }
  template <typename T>
  requires std::is_integral_v<T> T operator()(T a, T b) const {
    const auto shift = static_cast<uint64_t>(b);  // a negative count is a huge one
    const bool left = direction == "LEFT";
    if (shift >= 64) return !left && std::is_signed_v<T> && a < T(0) ? static_cast<T>(-1) : T(0);
    return left ? static_cast<T>(static_cast<uint64_t>(a) << shift) : static_cast<T>(a >> shift);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  const std::string way = read_attrs<BitShift>(args.attrs, "ops/bit_shift").direction;
  if (way != "LEFT" && way != "RIGHT") args.bad("direction must be LEFT or RIGHT");
  return ops::binary_infer<BitShift>(args);
}

}  // namespace op_bit_shift

const OpDef& bit_shift_op() {
  using namespace op_bit_shift;
  static const OpDef op = [] {
    OpDef def = ops::binary_op<BitShift>(11);
    def.infer = &infer;
    return def;
  }();
  return op;
}

}  // namespace ingot
