#include "ops/shared/reduce.h"

namespace ingot {
namespace op_reduce_log_sum_exp {

// log(sum(e^x)), kept as the largest x so far and the sum scaled by it, so that it cannot overflow.
struct ReduceLogSumExp {
  struct State {
    double top = -std::numeric_limits<double>::infinity();
    double sum = 0;
  };
  static constexpr std::string_view name = "reduce_log_sum_exp";
  static constexpr std::string_view onnx = "ReduceLogSumExp";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  static State start(T, DType) {
    return {};
  }
  template <typename T>
  static void step(State& s, T value) {
    const auto x = static_cast<double>(value);
    if (x == s.top) {
      s.sum += 1;
    } else if (x > s.top) {
      s.sum = s.sum * std::exp(s.top - x) + 1;
      s.top = x;
    } else {
      s.sum += std::exp(x - s.top);
    }
  }
  static double finish(const State& s, int64_t) { return s.top + std::log(s.sum); }
};

}  // namespace op_reduce_log_sum_exp

const OpDef& reduce_log_sum_exp_op() {
  using namespace op_reduce_log_sum_exp;
  static const OpDef op = ops::reduce_op<ReduceLogSumExp>();
  return op;
}

}  // namespace ingot
