#include "ops/shared/arg_reduce.h"

namespace ingot {
namespace op_arg_min {

struct ArgMin {
  static constexpr std::string_view name = "arg_min";
  template <typename T>
  static bool better(T a, T b) {
    return a < b;
  }
};

}  // namespace op_arg_min

const OpDef& arg_min_op() {
  using namespace op_arg_min;
  static const OpDef op = ops::arg_op<ArgMin>("ArgMin");
  return op;
}

}  // namespace ingot
