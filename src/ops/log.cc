#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

struct Log : ops::NoAttrs {
  static constexpr std::string_view name = "log";
  static constexpr std::string_view onnx = "Log";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::log(x); }
};

}  // namespace

const OpDef& log_op() {
  static const OpDef op = ops::unary_op<Log>();
  return op;
}

}  // namespace ingot
