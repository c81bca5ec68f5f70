#include "ops/shared/reduce.h"

namespace ingot {
namespace op_reduce_log_sum {

struct ReduceLogSum {
  static constexpr std::string_view name = "reduce_log_sum";
  static constexpr std::string_view onnx = "ReduceLogSum";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  static double start(T, DType) {
    return 0.0;
  }
  template <typename S, typename T>
  static void step(S& s, T x) {
    s += static_cast<double>(x);
  }
  template <typename S>
  static auto finish(S s, int64_t) {
    return std::log(s);
  }
};

}  // namespace op_reduce_log_sum

const OpDef& reduce_log_sum_op() {
  using namespace op_reduce_log_sum;
  static const OpDef op = ops::reduce_op<ReduceLogSum>();
  return op;
}

}  // namespace ingot
