#include "ops/contract/broadcast.h"

#include <algorithm>

#include "base/check.h"

namespace ingot {
namespace {

// Step in elements along each output dimension; 0 where the input repeats.
std::vector<int64_t> broadcast_steps(const Shape& out, const Shape& in) {
  std::vector<int64_t> steps(out.size(), 0);
  int64_t step = 1;
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t from_end = in.size() - 1 - i;
    if (in[from_end] != 1) steps[out.size() - 1 - i] = step;
    step *= in[from_end];
  }
  return steps;
}

// Element offset of a packed index in a view whose rows may be strided.
int64_t strided(const TensorView& view, int64_t element) {
  if (view.is_packed()) return element;
  const int64_t columns = view.columns();
  const auto size = static_cast<int64_t>(dtype_size(view.type.dtype));
  return element / columns * (view.row_bytes() / size) + element % columns;
}

}  // namespace

SymShape broadcast_shape(const InferArgs& args, const SymShape& a, const SymShape& b) {
  SymShape out(std::max(a.size(), b.size()), Dim(1));
  for (size_t i = 0; i < out.size(); ++i) {
    const Dim x = i < a.size() ? a[a.size() - 1 - i] : Dim(1);
    const Dim y = i < b.size() ? b[b.size() - 1 - i] : Dim(1);
    if (!(x == y) && !(x == Dim(1)) && !(y == Dim(1))) {
      args.bad(fmt::format("cannot broadcast {} with {}", shape_text(a), shape_text(b)));
    }
    out[out.size() - 1 - i] = x == Dim(1) ? y : x;
  }
  return out;
}

Shape broadcast_shape(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    CHECK(x == y || x == 1 || y == 1);
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

std::vector<ValueType> infer_binary(const InferArgs& args, std::optional<ElementType> result) {
  const ValueType& a = args.input(0);
  const ValueType& b = args.input(1);
  if (!(a.element == b.element) || a.element.is_block()) {
    args.bad(fmt::format("expected two inputs of one scalar type, found {} and {}",
                         a.element.name(), b.element.name()));
  }
  return {{result.value_or(a.element), broadcast_shape(args, a.shape, b.shape)}};
}

void for_each_broadcast(const Shape& out, const Shape& a, const Shape& b,
                        FunctionRef<void(int64_t, int64_t, int64_t)> f) {
  const std::vector<int64_t> step_a = broadcast_steps(out, a);
  const std::vector<int64_t> step_b = broadcast_steps(out, b);
  std::vector<int64_t> index(out.size(), 0);
  int64_t at_a = 0;
  int64_t at_b = 0;
  const int64_t count = element_count(out);
  for (int64_t i = 0; i < count; ++i) {
    f(i, at_a, at_b);
    for (size_t d = out.size(); d-- > 0;) {
      at_a += step_a[d];
      at_b += step_b[d];
      if (++index[d] < out[d]) break;
      at_a -= step_a[d] * out[d];
      at_b -= step_b[d] * out[d];
      index[d] = 0;
    }
  }
}

void reference_binary(const OpArgs& args, FunctionRef<double(double, double)> on_float,
                      FunctionRef<int64_t(int64_t, int64_t)> on_int) {
  const TensorView& a = args.inputs[0];
  const TensorView& b = args.inputs[1];
  const TensorView& out = args.outputs[0];
  const bool floats = is_float(a.type.dtype);
  for_each_broadcast(out.shape, a.shape, b.shape, [&](int64_t o, int64_t i, int64_t j) {
    o = strided(out, o);
    i = strided(a, i);
    j = strided(b, j);
    if (floats) {
      store_element(out, o, on_float(load_element(a, i), load_element(b, j)));
    } else {
      store_index(out, o, on_int(load_index(a, i), load_index(b, j)));
    }
  });
}

}  // namespace ingot
