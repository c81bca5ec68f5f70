#include "ops/shared/reduce.h"

namespace ingot {
namespace op_reduce_l2 {

struct ReduceL2 {
  static constexpr std::string_view name = "reduce_l2";
  static constexpr std::string_view onnx = "ReduceL2";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  static double start(T, DType) {
    return 0.0;
  }
  template <typename S, typename T>
  static void step(S& s, T x) {
    s += static_cast<double>(x) * static_cast<double>(x);
  }
  template <typename S>
  static auto finish(S s, int64_t) {
    return std::sqrt(s);
  }
};

}  // namespace op_reduce_l2

const OpDef& reduce_l2_op() {
  using namespace op_reduce_l2;
  static const OpDef op = ops::reduce_op<ReduceL2>();
  return op;
}

}  // namespace ingot
