#include "ops/shared/onnx_import.h"

#include <algorithm>

#include "ops/shared/element.h"

namespace ingot::ops {
namespace {

template <typename T>
const T* find_attr(const OnnxNode& node, std::string_view name) {
  auto it = node.attrs.find(name);
  if (it == node.attrs.end()) return nullptr;
  const T* value = std::get_if<T>(&it->second);
  if (!value) node.unsupported(fmt::format("attribute '{}' has the wrong type", name));
  return value;
}

const TensorView& constant_input(const OnnxNode& node, OpEmitter& emitter, size_t index,
                                 std::string_view what) {
  const TensorView* view = emitter.constant(node.inputs[index]);
  if (!view) node.needs_contents(index, what);
  return *view;
}

}  // namespace

int64_t onnx_int(const OnnxNode& node, std::string_view name, int64_t fallback) {
  const auto* value = find_attr<int64_t>(node, name);
  return value ? *value : fallback;
}
double onnx_float(const OnnxNode& node, std::string_view name, double fallback) {
  const auto* value = find_attr<double>(node, name);
  return value ? *value : fallback;
}
std::string onnx_string(const OnnxNode& node, std::string_view name, std::string_view fallback) {
  const auto* value = find_attr<std::string>(node, name);
  return value ? *value : std::string(fallback);
}
std::optional<std::vector<int64_t>> onnx_ints(const OnnxNode& node, std::string_view name) {
  const auto* value = find_attr<std::vector<int64_t>>(node, name);
  if (!value) return std::nullopt;
  return *value;
}

void onnx_allow_attrs(const OnnxNode& node, std::initializer_list<std::string_view> names) {
  for (const auto& [name, value] : node.attrs) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      node.unsupported("attribute '" + name + "'");
    }
  }
}

int onnx_input(const OnnxNode& node, size_t index) {
  return index < node.inputs.size() ? node.inputs[index] : kNoValue;
}
int onnx_required(const OnnxNode& node, size_t index) {
  const int value = onnx_input(node, index);
  if (value == kNoValue) node.unsupported(fmt::format("input {} is missing", index));
  return value;
}

std::optional<std::vector<int64_t>> onnx_constant_ints(const OnnxNode& node, OpEmitter& emitter,
                                                       size_t index, std::string_view what) {
  if (onnx_input(node, index) == kNoValue) return std::nullopt;
  return read_all<int64_t>(constant_input(node, emitter, index, what));
}
std::optional<std::vector<double>> onnx_constant_floats(const OnnxNode& node, OpEmitter& emitter,
                                                        size_t index, std::string_view what) {
  if (onnx_input(node, index) == kNoValue) return std::nullopt;
  return read_all<double>(constant_input(node, emitter, index, what));
}

SymShape onnx_shape_input(const OnnxNode& node, OpEmitter& emitter, size_t index,
                          std::string_view what) {
  const int value = onnx_required(node, index);
  if (const std::vector<Dim>* dims = emitter.dims(value)) return *dims;
  return sym_shape(*onnx_constant_ints(node, emitter, index, what));
}
std::vector<std::string> dims_text(const SymShape& shape) {
  std::vector<std::string> out;
  for (const Dim& dim : shape) out.push_back(dim.text());
  return out;
}

size_t onnx_rank(OpEmitter& emitter, int value) { return emitter.type(value).shape.size(); }

int64_t onnx_axis(const OnnxNode& node, int64_t axis, size_t rank) {
  const auto n = static_cast<int64_t>(rank);
  if (axis < -n || axis >= n) {
    node.unsupported(fmt::format("axis {} is outside [-{}, {})", axis, n, n));
  }
  return axis < 0 ? axis + n : axis;
}

int add_scalar(OpEmitter& emitter, DType dtype, double value) {
  std::byte bytes[8] = {};
  store_scalar(dtype, bytes, value);
  return emitter.add_constant(dtype, {}, {bytes, dtype_size(dtype)});
}
int add_scalar_as(OpEmitter& emitter, double value, int like) {
  return add_scalar(emitter, emitter.type(like).element.dtype, value);
}
int add_ints(OpEmitter& emitter, const std::vector<int64_t>& values) {
  return emitter.add_constant(DType::kInt64, {static_cast<int64_t>(values.size())},
                              std::as_bytes(std::span(values)));
}

int emit_reshape(OpEmitter& emitter, int value, const SymShape& shape) {
  return emitter.emit("reshape", {{"shape", dims_text(shape)}}, {value});
}
int emit_transpose(OpEmitter& emitter, int value, std::vector<int64_t> perm) {
  return emitter.emit("transpose", {{"perm", std::move(perm)}}, {value});
}
int emit_cast(OpEmitter& emitter, int value, DType to) {
  if (emitter.type(value).element == ElementType(to)) return value;
  return emitter.emit("cast", {{"to", std::string(dtype_name(to))}}, {value});
}

std::optional<DType> onnx_dtype(int64_t type) {
  switch (type) {
    case 1:
      return DType::kFloat32;
    case 2:
      return DType::kUInt8;
    case 3:
      return DType::kInt8;
    case 4:
      return DType::kUInt16;
    case 5:
      return DType::kInt16;
    case 6:
      return DType::kInt32;
    case 7:
      return DType::kInt64;
    case 9:
      return DType::kBool;
    case 10:
      return DType::kFloat16;
    case 11:
      return DType::kFloat64;
    case 12:
      return DType::kUInt32;
    case 13:
      return DType::kUInt64;
    case 16:
      return DType::kBFloat16;
    default:
      return std::nullopt;
  }
}

}  // namespace ingot::ops
