#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_log {

struct Log : ops::NoAttrs {
  static constexpr std::string_view name = "log";
  static constexpr std::string_view onnx = "Log";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::log(x); }
};

}  // namespace op_log

const OpDef& log_op() {
  using namespace op_log;
  static const OpDef op = ops::unary_op<Log>();
  return op;
}

}  // namespace ingot
