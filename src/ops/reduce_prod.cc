#include "ops/shared/reduce.h"

namespace ingot {
namespace op_reduce_prod {

struct ReduceProd {
  static constexpr std::string_view name = "reduce_prod";
  static constexpr std::string_view onnx = "ReduceProd";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  static T start(T, DType) {
    return T(1);
  }
  template <typename S, typename T>
  static void step(S& s, T x) {
    if constexpr (std::is_floating_point_v<S>) {
      s *= x;
    } else {
      s = static_cast<S>(static_cast<uint64_t>(s) * static_cast<uint64_t>(x));  // wraps
    }
  }
  template <typename S>
  static auto finish(S s, int64_t) {
    return s;
  }
};

// The product of a whole shape.
std::optional<std::vector<Dim>> dims(const DimsArgs& args) {
  const std::vector<Dim>* from = args.known(0);
  if (!from || read_attrs<ops::ReduceAttrs>(args.attrs, ReduceProd::name).axes.empty()) {
    return std::nullopt;
  }
  return std::vector<Dim>{element_count(*from)};
}

}  // namespace op_reduce_prod

const OpDef& reduce_prod_op() {
  using namespace op_reduce_prod;
  static const OpDef op = [] {
    OpDef def = ops::reduce_op<ReduceProd>();
    def.dims = &dims;
    return def;
  }();
  return op;
}

}  // namespace ingot
