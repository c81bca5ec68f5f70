// Batched matrix product: a[.., M, K] * b[.., K, N], leading axes broadcast. Floats accumulate in
// double, integers wrap.
#include "ops/contract/op_cost.h"
#include "ops/shared/attention_import.h"
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_matmul {

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_numeric(args, 0);
  ops::require_same_type(args, 0, 1);
  ops::require_min_rank(args, 0, 2);
  ops::require_min_rank(args, 1, 2);
  const SymShape &a = args.input(0).shape, &b = args.input(1).shape;
  const Dim &ka = a.back(), &kb = b[b.size() - 2];
  if (ka.is_constant() && kb.is_constant() && !(ka == kb)) {
    args.bad(fmt::format("{} and {} differ in the summed dimension", shape_text(a), shape_text(b)));
  }
  const SymShape batches[] = {SymShape(a.begin(), a.end() - 2), SymShape(b.begin(), b.end() - 2)};
  SymShape shape = ops::broadcast_shapes(args, batches);
  shape.push_back(a[a.size() - 2]);
  shape.push_back(b.back());
  return {{args.input(0).element, shape}};
}

template <typename T>
void multiply(const T* a, const T* b, int64_t m, int64_t k, int64_t n, std::vector<T>& row,
              const ops::Elements<T>& out, int64_t base) {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, T, uint64_t>;
  std::vector<Sum> sums(row.size());
  for (int64_t i = 0; i < m; ++i) {
    std::fill(sums.begin(), sums.end(), Sum(0));
    for (int64_t p = 0; p < k; ++p) {
      const Sum factor = static_cast<Sum>(a[i * k + p]);
      const T* line = b + p * n;
      for (int64_t j = 0; j < n; ++j) {
        sums[static_cast<size_t>(j)] += factor * static_cast<Sum>(line[j]);
      }
    }
    for (int64_t j = 0; j < n; ++j) {
      out.put(base + i * n + j, static_cast<T>(sums[static_cast<size_t>(j)]));
    }
  }
}

void reference(const OpArgs& args) {
  const TensorView &a = args.inputs[0], &b = args.inputs[1], &y = args.outputs[0];
  const size_t ra = a.shape.size(), rb = b.shape.size(), ry = y.shape.size();
  const int64_t m = a.shape[ra - 2], k = a.shape[ra - 1], n = b.shape[rb - 1];
  if (k != b.shape[rb - 2]) {
    fail(ErrorCode::kInvalidArgument, "ops/matmul", "{} and {} differ in the summed dimension",
         shape_text(a.shape), shape_text(b.shape));
  }
  const Shape batch(y.shape.begin(), y.shape.end() - 2);
  const std::array<std::vector<int64_t>, 2> strides = {
      ops::broadcast_strides(Shape(a.shape.begin(), a.shape.end() - 2), batch),
      ops::broadcast_strides(Shape(b.shape.begin(), b.shape.end() - 2), batch)};
  CHECK_EQ(ry, batch.size() + 2);
  ops::with_compute_type(a.type.dtype, [&](auto tag) {
    using T = decltype(tag);
    const std::vector<T> left = ops::read_all<T>(a), right = ops::read_all<T>(b);
    const ops::Elements<T> out(y);
    std::vector<T> row(static_cast<size_t>(n));
    ops::walk(batch, strides, [&](int64_t i, const std::array<int64_t, 2>& at) {
      multiply(left.data() + at[0] * m * k, right.data() + at[1] * k * n, m, k, n, row, out,
               i * m * n);
    });
  });
}

// A constant [K, N] float matrix becomes linear's weight [N, K]: exported networks then reach the
// same kernels as models/ does. Not of float64: linear sums in float32.
bool is_linear_weight(OpEmitter& emitter, int x, int w) {
  const ValueType& type = emitter.type(w);
  return emitter.constant(w) && type.shape.size() == 2 && is_float(type.element.dtype) &&
         type.element.dtype != DType::kFloat64 && type.element == emitter.type(x).element &&
         !emitter.type(x).shape.empty();
}

int emit_matmul(OpEmitter& emitter, int a, int b) {
  if (is_linear_weight(emitter, a, b)) {
    return emitter.emit("linear", {}, {a, ops::emit_transpose(emitter, b, {1, 0})});
  }
  const SymShape sa = emitter.type(a).shape, sb = emitter.type(b).shape;
  if (sa.size() >= 2 && sb.size() >= 2) return emitter.emit("matmul", {}, {a, b});
  // A vector is a row on the left or a column on the right; its axis is dropped again.
  const int left = sa.size() == 1 ? ops::emit_reshape(emitter, a, {1, sa[0]}) : a;
  const int right = sb.size() == 1 ? ops::emit_reshape(emitter, b, {sb[0], 1}) : b;
  const int product = emitter.emit("matmul", {}, {left, right});
  SymShape shape = emitter.type(product).shape;
  if (sb.size() == 1) shape.pop_back();
  if (sa.size() == 1) shape.erase(shape.end() - (sb.size() == 1 ? 1 : 2));
  return ops::emit_reshape(emitter, product, shape);
}

std::vector<int> import_matmul(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {});
  const int a = ops::onnx_required(node, 0), b = ops::onnx_required(node, 1);
  if (emitter.type(a).shape.empty() || emitter.type(b).shape.empty()) {
    node.unsupported("a scalar operand");
  }
  return {emit_matmul(emitter, a, b)};
}

int scaled(OpEmitter& emitter, int value, double factor) {
  if (factor == 1) return value;
  return emitter.emit("mul", {}, {value, ops::add_scalar_as(emitter, factor, value)});
}

// alpha * A' * B' + beta * C. With a constant B, a bias C[N] and no scaling it is one linear.
std::vector<int> import_gemm(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"alpha", "beta", "transA", "transB"});
  int a = ops::onnx_required(node, 0), b = ops::onnx_required(node, 1);
  if (ops::onnx_rank(emitter, a) != 2 || ops::onnx_rank(emitter, b) != 2) {
    node.unsupported("operands that are not matrices");
  }
  const double alpha = ops::onnx_float(node, "alpha", 1), beta = ops::onnx_float(node, "beta", 1);
  const int c = beta == 0 ? kNoValue : ops::onnx_input(node, 2);
  const bool trans_b = ops::onnx_int(node, "transB", 0) != 0;
  if (ops::onnx_int(node, "transA", 0)) a = ops::emit_transpose(emitter, a, {1, 0});
  if (is_linear_weight(emitter, a, b)) {
    const int weight = trans_b ? b : ops::emit_transpose(emitter, b, {1, 0});
    const bool fits = c != kNoValue && alpha == 1 && beta == 1 &&
                      emitter.type(c).shape == SymShape{emitter.type(weight).shape[0]};
    if (fits) return {emitter.emit("linear", {}, {a, weight, c})};
    const int product = scaled(emitter, emitter.emit("linear", {}, {a, weight}), alpha);
    if (c == kNoValue) return {product};
    return {emitter.emit("add", {}, {product, scaled(emitter, c, beta)})};
  }
  if (trans_b) b = ops::emit_transpose(emitter, b, {1, 0});
  const int product = scaled(emitter, emitter.emit("matmul", {}, {a, b}), alpha);
  if (c == kNoValue) return {product};
  return {emitter.emit("add", {}, {product, scaled(emitter, c, beta)})};
}

// Each element of the result is a product of K terms.
OpCost cost(const CostArgs& args) {
  return product_cost(args, 2 * args.outputs[0].elements() * args.inputs[0].columns());
}

}  // namespace op_matmul

const OpDef& matmul_op() {
  using namespace op_matmul;
  static const OpDef op = {.name = "matmul",
                           .onnx = {{"", "MatMul", 1, &import_matmul},
                                    {"", "Gemm", 7, &import_gemm},
                                    {"", "Attention", 23, &ops::import_attention}},
                           .infer = &infer,
                           .reference = &reference,
                           .heavy = true,
                           .cost = &cost};
  return op;
}

}  // namespace ingot
