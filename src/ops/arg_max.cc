#include "ops/shared/arg_reduce.h"

namespace ingot {
namespace op_arg_max {

struct ArgMax {
  static constexpr std::string_view name = "arg_max";
  template <typename T>
  static bool better(T a, T b) {
    return a > b;
  }
};

}  // namespace op_arg_max

const OpDef& arg_max_op() {
  using namespace op_arg_max;
  static const OpDef op = ops::arg_op<ArgMax>("ArgMax");
  return op;
}

}  // namespace ingot
