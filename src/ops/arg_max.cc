#include "ops/shared/arg_reduce.h"

namespace ingot {
namespace {

struct ArgMax {
  static constexpr std::string_view name = "arg_max";
  template <typename T>
  static bool better(T a, T b) {
    return a > b;
  }
};

}  // namespace

const OpDef& arg_max_op() {
  static const OpDef op = ops::arg_op<ArgMax>("ArgMax");
  return op;
}

}  // namespace ingot
