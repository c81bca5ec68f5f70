#include "ops/shared/reduce.h"

namespace ingot {
namespace op_reduce_min {

struct ReduceMin {
  static constexpr std::string_view name = "reduce_min";
  static constexpr std::string_view onnx = "ReduceMin";
  static constexpr auto types = ops::Types::kAny;
  template <typename T>
  static T start(T, DType dtype) {
    return ops::highest<T>(dtype);
  }
  template <typename S, typename T>
  static void step(S& s, T x) {
    if (x < s || x != x) s = x;
  }
  template <typename S>
  static auto finish(S s, int64_t) {
    return s;
  }
};

}  // namespace op_reduce_min

const OpDef& reduce_min_op() {
  using namespace op_reduce_min;
  static const OpDef op = ops::reduce_op<ReduceMin>();
  return op;
}

}  // namespace ingot
