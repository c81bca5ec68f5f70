#include "loaders/onnx_emitter.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"

namespace ingot {
namespace {

// A shape has few entries; longer vectors are data.
constexpr int64_t kMaxOnnxDims = 64;
// Bytes up to which any pure node of constants is computed while loading, so that a model cannot
// make a small file into much time; what all of them take has its own bound (the emitter's budget).
constexpr int64_t kFoldBytes = 64 << 10;

bool is_index_vector(const ValueType& type) {
  return (type.element == ElementType(DType::kInt64) ||
          type.element == ElementType(DType::kInt32)) &&
         type.shape.size() <= 1 && is_constant(type.shape) &&
         element_count(type.shape).constant() <= kMaxOnnxDims;
}

}  // namespace

const std::vector<Dim>* OnnxEmitter::dims(int value) const {
  auto it = dims_.find(value);
  return it == dims_.end() ? nullptr : &it->second;
}

int OnnxEmitter::add_constant(ElementType type, Shape shape, std::span<const std::byte> data) {
  if (budget_) {
    const auto bytes = static_cast<int64_t>(data.size());
    if (bytes > *budget_) {
      fail(ErrorCode::kUnsupported, "loaders/onnx",
           "constants computed from the file take too much memory: {} more bytes, {} are left",
           bytes, *budget_);
    }
    *budget_ -= bytes;
  }
  return graph_.add_constant(type, std::move(shape), data);
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
  out.reserve(static_cast<size_t>(view->elements()));
  for (int64_t i = 0; i < view->elements(); ++i) out.emplace_back(load_index(*view, i));
  return out;
}

std::optional<std::vector<Dim>> OnnxEmitter::follow(const OpDef& def, const Attrs& attrs,
                                                    const std::vector<int>& inputs) const {
  if (!def.dims) return std::nullopt;
  std::vector<std::optional<std::vector<Dim>>> contents;
  std::vector<const ValueType*> types;
  for (int input : inputs) {
    contents.push_back(known(input));
    types.push_back(input == kNoValue ? nullptr : &type(input));
  }
  return def.dims({attrs, types, [&](size_t i) -> const std::vector<Dim>* {
                     return i < contents.size() && contents[i] ? &*contents[i] : nullptr;
                   }});
}

std::optional<std::vector<int>> OnnxEmitter::fold(const OpDef& def, const Attrs& attrs,
                                                  const std::vector<int>& inputs, size_t outputs) {
  if (!def.reference || !def.effects.pure() || def.column_view || def.heavy) return std::nullopt;
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
  const InferArgs args{def.name, types, attrs,
                       [&](size_t i) { return in[i].present() ? &in[i] : nullptr; }, outputs};
  std::vector<std::vector<std::byte>> memory;
  std::vector<TensorView> out;
  int64_t total = 0;
  for (const ValueType& result : def.infer(args)) {
    if (!is_constant(result.shape)) return std::nullopt;
    const Dim count = element_count(result.shape);
    if (count.constant() > kFoldBytes && !def.keeps_elements) return std::nullopt;
    TensorView view{result.element, evaluate(result.shape, {})};
    total += view.bytes();
    if (budget_ && total > *budget_) return std::nullopt;
    memory.emplace_back(static_cast<size_t>(std::max<int64_t>(view.bytes(), 1)));
    view.data = memory.back().data();
    out.push_back(view);
    largest = std::max(largest, view.bytes());
  }
  if (largest > kFoldBytes && !def.keeps_elements) return std::nullopt;
  def.reference({in, out, attrs});
  std::vector<int> ids;
  ids.reserve(out.size());
  for (const TensorView& view : out) {
    ids.push_back(
        add_constant(view.type, view.shape, {view.data, static_cast<size_t>(view.bytes())}));
  }
  return ids;
}

std::vector<int> OnnxEmitter::emit_many(std::string_view op, Attrs attrs, std::vector<int> inputs,
                                        size_t outputs) {
  const OpDef& def = get_op(op);
  if (auto folded = fold(def, attrs, inputs, outputs)) return *folded;
  const std::vector<int> ids = graph_.emit_many(op, attrs, inputs, outputs);
  // After emit_many, which has checked the operands.
  if (outputs != 1 || !is_index_vector(type(ids[0]))) return ids;
  auto followed = follow(def, attrs, inputs);
  if (!followed) return ids;
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
