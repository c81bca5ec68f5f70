#include "ops/shared/reduce.h"

namespace ingot {
namespace op_reduce_l1 {

struct ReduceL1 {
  static constexpr std::string_view name = "reduce_l1";
  static constexpr std::string_view onnx = "ReduceL1";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  static T start(T, DType) {
    return T(0);
  }
  template <typename S, typename T>
  static void step(S& s, T x) {
    if constexpr (std::is_floating_point_v<S>) {
      s += std::fabs(x);
    } else {
      const auto magnitude = x < T(0) ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
      s = static_cast<S>(static_cast<uint64_t>(s) + magnitude);
    }
  }
  template <typename S>
  static auto finish(S s, int64_t) {
    return s;
  }
};

}  // namespace op_reduce_l1

const OpDef& reduce_l1_op() {
  using namespace op_reduce_l1;
  static const OpDef op = ops::reduce_op<ReduceL1>();
  return op;
}

}  // namespace ingot
