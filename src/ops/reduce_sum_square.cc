#include "ops/shared/reduce.h"

namespace ingot {
namespace op_reduce_sum_square {

struct ReduceSumSquare {
  static constexpr std::string_view name = "reduce_sum_square";
  static constexpr std::string_view onnx = "ReduceSumSquare";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  static T start(T, DType) {
    return T(0);
  }
  template <typename S, typename T>
  static void step(S& s, T x) {
    if constexpr (std::is_floating_point_v<S>) {
      s += x * x;
    } else {
      s = static_cast<S>(static_cast<uint64_t>(s) +
                         static_cast<uint64_t>(x) * static_cast<uint64_t>(x));  // wraps
    }
  }
  template <typename S>
  static auto finish(S s, int64_t) {
    return s;
  }
};

}  // namespace op_reduce_sum_square

const OpDef& reduce_sum_square_op() {
  using namespace op_reduce_sum_square;
  static const OpDef op = ops::reduce_op<ReduceSumSquare>();
  return op;
}

}  // namespace ingot
