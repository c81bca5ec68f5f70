#include "loaders/onnx_emitter.h"

#include <algorithm>

#include "base/check.h"

namespace ingot {
namespace {

// A shape has few entries; longer vectors are data.
constexpr int64_t kMaxDims = 64;
// Bytes up to which any pure node of constants is computed while loading; a model can then not make
// a small file into much memory or time.
constexpr int64_t kFoldBytes = 64 << 10;

// Work that grows faster than the operands; left to run.
bool is_heavy(std::string_view op) {
  for (std::string_view heavy : {"conv", "conv_transpose", "max_pool", "average_pool", "lp_pool",
                                 "matmul", "linear", "einsum", "resize"}) {
    if (op == heavy) return true;
  }
  return false;
}
bool keeps_bytes(std::string_view op) {
  return op == "transpose" || op == "reshape" || op == "cast" || op == "identity";
}

bool is_index_vector(const ValueType& type) {
  return (type.element == ElementType(DType::kInt64) ||
          type.element == ElementType(DType::kInt32)) &&
         type.shape.size() <= 1 && is_constant(type.shape) &&
         element_count(type.shape).constant() <= kMaxDims;
}

}  // namespace

const std::vector<Dim>* OnnxEmitter::dims(int value) const {
  auto it = dims_.find(value);
  return it == dims_.end() ? nullptr : &it->second;
}

void OnnxEmitter::inherit(const OnnxEmitter& outer, int outer_value, int value) {
  if (const std::vector<Dim>* dims = outer.dims(outer_value)) dims_[value] = *dims;
}

std::optional<std::vector<Dim>> OnnxEmitter::known(int value) const {
  if (value == kNoValue) return std::nullopt;
  if (const std::vector<Dim>* found = dims(value)) return *found;
  const TensorView* view = constant(value);
  if (!view || !is_index_vector(type(value))) return std::nullopt;
  std::vector<Dim> out;
  for (int64_t i = 0; i < view->elements(); ++i) out.emplace_back(load_index(*view, i));
  return out;
}

// Element-wise arithmetic; a scalar (one entry) pairs with any length.
std::optional<std::vector<Dim>> OnnxEmitter::combine(std::string_view op,
                                                     const std::vector<int>& inputs) const {
  const auto a = known(inputs[0]), b = known(inputs[1]);
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1)) return std::nullopt;
  std::vector<Dim> out;
  for (size_t i = 0; i < std::max(a->size(), b->size()); ++i) {
    const Dim &x = (*a)[a->size() == 1 ? 0 : i], &y = (*b)[b->size() == 1 ? 0 : i];
    if (op == "add") {
      out.push_back(x + y);
    } else if (op == "sub") {
      out.push_back(x - y);
    } else if (op == "mul") {
      out.push_back(x * y);
    } else if (op == "max") {
      out.push_back(Dim::max(x, y));
    } else if (op == "min") {
      out.push_back(Dim::min(x, y));
    } else {
      // Truncating division equals floor where nothing is negative, as dimensions are not.
      if (!y.is_constant() || y.constant() <= 0 || (x.is_constant() && x.constant() < 0)) {
        return std::nullopt;
      }
      out.push_back(Dim::floor_div(x, y));
    }
  }
  return out;
}

std::optional<std::vector<Dim>> OnnxEmitter::follow(std::string_view op, const Attrs& attrs,
                                                    const std::vector<int>& inputs) const {
  if (op == "shape") {
    const SymShape& shape = type(inputs[0]).shape;
    const auto n = static_cast<int64_t>(shape.size());
    const auto at = [&](std::string_view name, int64_t fallback) {
      const int64_t value = attr_or<int64_t>(attrs, name, fallback);
      return std::clamp<int64_t>(value < 0 ? value + n : value, 0, n);
    };
    const int64_t begin = at("start", 0), end = std::max(begin, at("end", n));
    return std::vector<Dim>(shape.begin() + begin, shape.begin() + end);
  }
  if (op == "size") return std::vector<Dim>{element_count(type(inputs[0]).shape)};
  if (op == "reshape" || op == "cast" || op == "identity") return known(inputs[0]);
  if (op == "concat") {
    std::vector<Dim> out;
    for (int input : inputs) {
      const auto part = known(input);
      if (!part) return std::nullopt;
      out.insert(out.end(), part->begin(), part->end());
    }
    return out;
  }
  if (op == "gather") {
    const auto from = known(inputs[0]), indices = known(inputs[1]);
    if (!from || !indices) return std::nullopt;
    std::vector<Dim> out;
    for (const Dim& index : *indices) {
      if (!index.is_constant()) return std::nullopt;
      const auto n = static_cast<int64_t>(from->size());
      const int64_t k = index.constant() < 0 ? index.constant() + n : index.constant();
      if (k < 0 || k >= n) return std::nullopt;
      out.push_back((*from)[static_cast<size_t>(k)]);
    }
    return out;
  }
  if (op == "slice") {
    const auto from = known(inputs[0]);
    const auto starts = attr_or<std::vector<int64_t>>(attrs, "starts", {});
    const auto steps = attr_or<std::vector<int64_t>>(attrs, "steps", {});
    const auto ends = attr_or<std::vector<std::string>>(attrs, "ends", {});
    if (!from || starts.size() != 1 || steps != std::vector<int64_t>{1}) return std::nullopt;
    const Dim end = Dim::parse(ends.at(0));
    if (!end.is_constant()) return std::nullopt;
    const auto n = static_cast<int64_t>(from->size());
    const auto wrap = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + n : v, 0, n); };
    const int64_t begin = wrap(starts[0]), last = std::max(begin, wrap(end.constant()));
    return std::vector<Dim>(from->begin() + begin, from->begin() + last);
  }
  for (std::string_view binary : {"add", "sub", "mul", "div", "max", "min"}) {
    if (op == binary) return combine(op, inputs);
  }
  if (op == "reduce_prod") {
    const auto from = known(inputs[0]);
    if (!from || attr_or<std::vector<int64_t>>(attrs, "axes", {}).empty()) return std::nullopt;
    return std::vector<Dim>{element_count(*from)};
  }
  return std::nullopt;
}

std::optional<std::vector<int>> OnnxEmitter::fold(std::string_view op, const Attrs& attrs,
                                                  const std::vector<int>& inputs, size_t outputs) {
  const OpDef& def = get_op(op);
  if (!def.reference || !def.effects.pure() || def.column_view || is_heavy(op)) return std::nullopt;
  std::vector<TensorView> in;
  std::vector<const ValueType*> types;
  int64_t largest = 0;
  for (int input : inputs) {
    const TensorView* view = input == kNoValue ? nullptr : constant(input);
    if (input != kNoValue && !view) return std::nullopt;
    in.push_back(view ? *view : TensorView{});
    types.push_back(view ? &type(input) : nullptr);
    if (view) largest = std::max(largest, view->bytes());
  }
  const InferArgs args{op, types, attrs,
                       [&](size_t i) { return in[i].present() ? &in[i] : nullptr; }, outputs};
  std::vector<std::vector<std::byte>> memory;
  std::vector<TensorView> out;
  for (const ValueType& result : def.infer(args)) {
    if (!is_constant(result.shape)) return std::nullopt;
    const Dim count = element_count(result.shape);
    if (count.constant() > kFoldBytes && !keeps_bytes(op)) return std::nullopt;
    TensorView view{result.element, evaluate(result.shape, {})};
    memory.emplace_back(static_cast<size_t>(std::max<int64_t>(view.bytes(), 1)));
    view.data = memory.back().data();
    out.push_back(view);
    largest = std::max(largest, view.bytes());
  }
  if (largest > kFoldBytes && !keeps_bytes(op)) return std::nullopt;
  def.reference({in, out, attrs});
  std::vector<int> ids;
  for (const TensorView& view : out) {
    ids.push_back(
        add_constant(view.type, view.shape, {view.data, static_cast<size_t>(view.bytes())}));
  }
  return ids;
}

std::vector<int> OnnxEmitter::emit_many(std::string_view op, Attrs attrs, std::vector<int> inputs,
                                        size_t outputs) {
  if (auto folded = fold(op, attrs, inputs, outputs)) return *folded;
  auto followed = outputs == 1 ? follow(op, attrs, inputs) : std::nullopt;
  const std::vector<int> ids = graph_.emit_many(op, std::move(attrs), std::move(inputs), outputs);
  if (!followed || !is_index_vector(type(ids[0]))) return ids;
  if (static_cast<Dim>(static_cast<int64_t>(followed->size())) ==
      element_count(type(ids[0]).shape)) {
    const bool constant = std::all_of(followed->begin(), followed->end(),
                                      [](const Dim& dim) { return dim.is_constant(); });
    if (!constant) {
      dims_[ids[0]] = std::move(*followed);
      return ids;
    }
    // Known after all: a constant takes the place of the node, which nothing reads now.
    const ValueType result = type(ids[0]);
    std::vector<std::byte> bytes(followed->size() * dtype_size(result.element.dtype) + 1);
    TensorView view{result.element, evaluate(result.shape, {}), bytes.data()};
    for (size_t i = 0; i < followed->size(); ++i) {
      store_index(view, static_cast<int64_t>(i), (*followed)[i].constant());
    }
    return {add_constant(view.type, view.shape, {bytes.data(), static_cast<size_t>(view.bytes())})};
  }
  return ids;
}

}  // namespace ingot
