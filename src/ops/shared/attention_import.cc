#include "ops/shared/attention_import.h"

#include <cmath>
#include <limits>

#include "ops/shared/onnx_import.h"

namespace ingot::ops {
namespace {

// Emits one attention step by step; values are [batch, heads, sequence, size].
class AttentionBuilder {
 public:
  AttentionBuilder(const OnnxNode& node, OpEmitter& e) : node_(node), e_(e) {}
  std::vector<int> build();

 private:
  int op(std::string_view name, std::vector<int> inputs, Attrs attrs = {}) {
    return e_.emit(name, std::move(attrs), std::move(inputs));
  }
  const SymShape& shape(int value) const { return e_.type(value).shape; }
  // [B, S, H * D] -> [B, H, S, D]
  int heads(int value, int64_t count) {
    const SymShape s = shape(value);
    if (s.size() == 4) return value;
    if (s.size() != 3 || count < 1) node_.unsupported("an input of rank other than 3 and 4");
    const int split =
        emit_reshape(e_, value, {s[0], s[1], Dim(count), Dim::floor_div(s[2], Dim(count))});
    return emit_transpose(e_, split, {0, 2, 1, 3});
  }
  // Every key head serves `groups` query heads in a row.
  int repeat(int value, const Dim& groups) {
    if (groups == Dim(1)) return value;
    const SymShape s = shape(value);
    const int five = emit_reshape(e_, value, {s[0], s[1], Dim(1), s[2], s[3]});
    const int wide = op("expand", {five}, {{"shape", dims_text({s[0], s[1], groups, s[2], s[3]})}});
    return emit_reshape(e_, wide, {s[0], s[1] * groups, s[2], s[3]});
  }
  int number(double value) { return add_scalar(e_, e_.type(q_).element.dtype, value); }
  int range(const Dim& limit) { return op("range", {}, {{"limit", limit.text()}}); }
  // condition -> 0 where true, -inf where false
  int penalty(int condition) {
    return op("where", {condition, number(0), number(-std::numeric_limits<double>::infinity())});
  }
  int add_bias(int bias, int more) { return bias == kNoValue ? more : op("add", {bias, more}); }
  int mask();
  int window_mask(const Dim& past);

  const OnnxNode& node_;
  OpEmitter& e_;
  int q_ = kNoValue, k_ = kNoValue, v_ = kNoValue;
};

// Causal order and sliding windows, from the absolute position of each query: past + index.
int AttentionBuilder::window_mask(const Dim& past) {
  const bool causal = onnx_int(node_, "is_causal", 0) != 0;
  const int64_t left = onnx_int(node_, "left_window_size", -1);
  const int64_t right = onnx_int(node_, "right_window_size", -1);
  if (!causal && left < 0 && right < 0) return kNoValue;
  const Dim queries = shape(q_)[2], keys = shape(k_)[2];
  int position = kNoValue;
  const int lengths = onnx_input(node_, 6);
  if (lengths != kNoValue) {
    // A cache padded to one length: per batch, queries end at its number of valid keys.
    if (!queries.is_constant()) node_.unsupported("nonpad_kv_seqlen with a symbolic query length");
    const int row = emit_reshape(e_, range(queries), {queries, Dim(1)});
    const int ends = emit_reshape(e_, emit_cast(e_, lengths, DType::kInt64),
                                  {shape(lengths)[0], Dim(1), Dim(1), Dim(1)});
    const int first =
        op("sub", {ends, add_scalar(e_, DType::kInt64, static_cast<double>(queries.constant()))});
    position = op("add", {first, row});
  } else if (past == Dim(0)) {
    position = emit_reshape(e_, range(queries), {queries, Dim(1)});
  } else {
    const std::vector<int64_t> zero = {0};
    const int all = range(past + queries);
    if (!past.is_constant()) node_.unsupported("a past of symbolic length with a causal mask");
    const int tail = op("slice", {all},
                        {{"axes", zero},
                         {"starts", std::vector<int64_t>{past.constant()}},
                         {"ends", std::vector<std::string>{(past + queries).text()}},
                         {"steps", std::vector<int64_t>{1}}});
    position = emit_reshape(e_, tail, {queries, Dim(1)});
  }
  const int key = emit_reshape(e_, range(keys), {Dim(1), keys});
  const auto integer = [&](int64_t v) {
    return add_scalar(e_, DType::kInt64, static_cast<double>(v));
  };
  int bias = kNoValue;
  if (causal) bias = add_bias(bias, penalty(op("less_or_equal", {key, position})));
  if (left >= 0) {
    const int first = op("sub", {position, integer(left)});
    bias = add_bias(bias, penalty(op("greater_or_equal", {key, first})));
  }
  if (right >= 0) {
    const int last = op("add", {position, integer(right)});
    bias = add_bias(bias, penalty(op("less_or_equal", {key, last})));
  }
  return bias;
}

int AttentionBuilder::mask() {
  const Dim keys = shape(k_)[2];
  int bias = kNoValue;
  if (int given = onnx_input(node_, 3); given != kNoValue) {
    if (e_.type(given).element == ElementType(DType::kBool)) given = penalty(given);
    const Dim width = shape(given).back();
    if (width.is_constant() && keys.is_constant() && !(width == keys)) {
      std::vector<int64_t> pads(2 * shape(given).size(), 0);
      pads.back() = keys.constant() - width.constant();
      const int fill = number(-std::numeric_limits<double>::infinity());
      given = op("pad", {given, fill}, {{"pads", pads}});
    }
    bias = given;
  }
  const int past = onnx_input(node_, 4);
  const int order = window_mask(past == kNoValue ? Dim(0) : shape(past)[2]);
  if (order != kNoValue) bias = add_bias(bias, order);
  if (const int lengths = onnx_input(node_, 6); lengths != kNoValue) {
    const int ends = emit_reshape(e_, emit_cast(e_, lengths, DType::kInt64),
                                  {shape(lengths)[0], Dim(1), Dim(1), Dim(1)});
    const int key = emit_reshape(e_, range(keys), {Dim(1), keys});
    bias = add_bias(bias, penalty(op("less", {key, ends})));
  }
  return bias;
}

std::vector<int> AttentionBuilder::build() {
  onnx_allow_attrs(node_,
                   {"is_causal", "kv_num_heads", "q_num_heads", "qk_matmul_output_mode", "scale",
                    "softcap", "softmax_precision", "left_window_size", "right_window_size"});
  const int64_t q_heads = onnx_int(node_, "q_num_heads", 0);
  const int64_t kv_heads = onnx_int(node_, "kv_num_heads", 0);
  const bool flat = shape(onnx_required(node_, 0)).size() == 3;
  q_ = heads(onnx_required(node_, 0), q_heads);
  k_ = heads(onnx_required(node_, 1), kv_heads);
  v_ = heads(onnx_required(node_, 2), kv_heads);
  if (const int past = onnx_input(node_, 4); past != kNoValue) {
    k_ = op("concat", {past, k_}, {{"axis", int64_t{2}}});
    v_ = op("concat", {onnx_required(node_, 5), v_}, {{"axis", int64_t{2}}});
  }
  const int present_key = k_, present_value = v_;
  const SymShape s = shape(q_);
  if (s.size() != 4 || shape(k_).size() != 4 || shape(v_).size() != 4 || !s[3].is_constant() ||
      !s[1].is_constant() || !shape(k_)[1].is_constant() || shape(k_)[1].constant() < 1 ||
      s[1].constant() % shape(k_)[1].constant() != 0) {
    node_.unsupported("head counts or sizes");
  }
  const Dim groups = s[1].constant() / shape(k_)[1].constant();
  const int key = repeat(k_, groups), value = repeat(v_, groups);
  const double scale =
      onnx_float(node_, "scale", 1 / std::sqrt(static_cast<double>(s[3].constant())));
  // The square root on both sides, as the operator defines it (it keeps 16-bit products in range).
  const int factor = number(std::sqrt(scale));
  const int turned = emit_transpose(e_, op("mul", {key, factor}), {0, 1, 3, 2});
  const int raw = op("matmul", {op("mul", {q_, factor}), turned});
  const double cap = onnx_float(node_, "softcap", 0);
  int capped = raw;
  if (cap > 0) {
    const int tanh = op("tanh", {op("div", {raw, number(cap)})});
    capped = op("mul", {tanh, number(cap)});
  }
  const int bias = mask();
  const int biased = bias == kNoValue ? capped : op("add", {capped, bias});
  const DType dtype = e_.type(q_).element.dtype;
  const auto precision = onnx_dtype(onnx_int(node_, "softmax_precision", 1));
  const int wide = emit_cast(e_, biased, precision.value_or(DType::kFloat32));
  const int weights = emit_cast(e_, op("softmax", {wide}, {{"axis", int64_t{-1}}}), dtype);
  int y = op("matmul", {weights, value});
  if (flat) {
    const SymShape out = shape(y);
    y = emit_reshape(e_, emit_transpose(e_, y, {0, 2, 1, 3}), {out[0], out[2], out[1] * out[3]});
  }
  const int64_t mode = onnx_int(node_, "qk_matmul_output_mode", 0);
  const int stages[] = {raw, capped, biased, weights};
  if (mode < 0 || mode > 3) node_.unsupported(fmt::format("qk_matmul_output_mode {}", mode));
  std::vector<int> out = {y, present_key, present_value, stages[mode]};
  out.resize(node_.outputs, kNoValue);
  return out;
}

// Inverse frequencies f with cos[p][i] = c * cos(p * f[i]) and sin alike, for every row; empty when
// the tables are something else.
std::vector<float> inverse_frequencies(const TensorView& cos, const TensorView& sin,
                                       double& scale) {
  constexpr double kTolerance = 2e-4;  // float32 tables of angles up to a few thousand radians
  const int64_t rows = cos.shape[0], half = cos.shape[1];
  if (rows < 2 || half < 1 || sin.shape != cos.shape) return {};
  std::vector<float> c(static_cast<size_t>(half)), s(c.size()), f(c.size());
  load_row(cos, 1, 0, half, c.data());
  load_row(sin, 1, 0, half, s.data());
  scale = std::hypot(c[0], s[0]);
  if (scale <= 0) return {};
  for (size_t i = 0; i < f.size(); ++i) f[i] = std::atan2(s[i], c[i]);
  for (int64_t p = 0; p < rows; ++p) {
    load_row(cos, p, 0, half, c.data());
    load_row(sin, p, 0, half, s.data());
    for (size_t i = 0; i < f.size(); ++i) {
      const double angle = static_cast<double>(p) * f[i];
      if (!(std::fabs(scale * std::cos(angle) - c[i]) < kTolerance * scale) ||
          !(std::fabs(scale * std::sin(angle) - s[i]) < kTolerance * scale)) {
        return {};
      }
    }
  }
  if (std::fabs(scale - 1) < 1e-6) scale = 1;
  return f;
}

struct RotaryShape {
  Dim batch, sequence, heads;
  int64_t size = 0;   // of a head
  bool flat = false;  // x was [batch, sequence, heads * size]
};

int slice_last(OpEmitter& e, int value, int64_t begin, int64_t end, int64_t step = 1) {
  return e.emit("slice",
                {{"axes", std::vector<int64_t>{-1}},
                 {"starts", std::vector<int64_t>{begin}},
                 {"ends", std::vector<std::string>{Dim(end).text()}},
                 {"steps", std::vector<int64_t>{step}}},
                {value});
}

// x is [batch, sequence, heads, size]; cos and sin are [batch, sequence, 1, rotary / 2].
int rotate(OpEmitter& e, int x, int cos, int sin, const RotaryShape& r, int64_t rotary,
           bool interleaved) {
  const auto mul = [&](int a, int b) { return e.emit("mul", {}, {a, b}); };
  const int a = interleaved ? slice_last(e, x, 0, rotary, 2) : slice_last(e, x, 0, rotary / 2);
  const int b = interleaved ? slice_last(e, x, 1, rotary, 2) : slice_last(e, x, rotary / 2, rotary);
  int real = e.emit("sub", {}, {mul(cos, a), mul(sin, b)});
  int imaginary = e.emit("add", {}, {mul(sin, a), mul(cos, b)});
  const Attrs last = {{"axis", int64_t{-1}}};
  int turned = kNoValue;
  if (interleaved) {
    const SymShape pair = {r.batch, r.sequence, r.heads, Dim(rotary / 2), Dim(1)};
    real = emit_reshape(e, real, pair);
    imaginary = emit_reshape(e, imaginary, pair);
    turned = emit_reshape(e, e.emit("concat", last, {real, imaginary}),
                          {r.batch, r.sequence, r.heads, Dim(rotary)});
  } else {
    turned = e.emit("concat", last, {real, imaginary});
  }
  if (rotary == r.size) return turned;
  return e.emit("concat", last, {turned, slice_last(e, x, rotary, r.size)});
}

}  // namespace

std::vector<int> import_attention(const OnnxNode& node, OpEmitter& emitter) {
  return AttentionBuilder(node, emitter).build();
}

std::vector<int> import_rotary_embedding(const OnnxNode& node, OpEmitter& e) {
  onnx_allow_attrs(node, {"interleaved", "num_heads", "rotary_embedding_dim"});
  const int x = onnx_required(node, 0);
  const SymShape s = e.type(x).shape;
  RotaryShape r;
  r.flat = s.size() == 3;
  const int64_t heads = onnx_int(node, "num_heads", 0);
  if (s.size() == 4) {
    r = {s[0], s[2], s[1], s[3].is_constant() ? s[3].constant() : 0, false};
  } else if (r.flat && heads > 0 && s[2].is_constant()) {
    r = {s[0], s[1], Dim(heads), s[2].constant() / heads, true};
  }
  int64_t rotary = onnx_int(node, "rotary_embedding_dim", 0);
  if (rotary == 0) rotary = r.size;
  if (r.size < 2 || rotary < 2 || rotary > r.size || rotary % 2 != 0 || !r.heads.is_constant()) {
    node.unsupported("head count or size");
  }
  const bool interleaved = onnx_int(node, "interleaved", 0) != 0;
  const int cos = onnx_required(node, 1), sin = onnx_required(node, 2);
  const int positions = onnx_input(node, 3);
  const SymShape four = {r.batch, r.sequence, r.heads, Dim(r.size)};
  const int rows = r.flat ? x : emit_transpose(e, x, {0, 2, 1, 3});
  const auto restore = [&](int value) {
    if (r.flat) return emit_reshape(e, value, s);
    return emit_transpose(e, emit_reshape(e, value, four), {0, 2, 1, 3});
  };
  double scale = 1;
  std::vector<float> f;
  if (positions != kNoValue && e.constant(cos) && e.constant(sin) && onnx_rank(e, cos) == 2) {
    f = inverse_frequencies(*e.constant(cos), *e.constant(sin), scale);
  }
  if (!f.empty() && static_cast<int64_t>(f.size()) * 2 == rotary) {
    const Dim tokens = r.batch * r.sequence;
    const int frequencies = e.add_constant(DType::kFloat32, {static_cast<int64_t>(f.size())},
                                           std::as_bytes(std::span(f)));
    const int matrix = emit_reshape(e, rows, {tokens, r.heads * Dim(r.size)});
    const int index = emit_cast(e, emit_reshape(e, positions, {tokens}), DType::kInt32);
    return {restore(e.emit("rope",
                           {{"head_dim", r.size}, {"interleaved", interleaved}, {"scale", scale}},
                           {matrix, index, frequencies}))};
  }
  const auto table = [&](int cache) {
    const int taken = positions == kNoValue
                          ? cache
                          : e.emit("gather", {{"axis", int64_t{0}}}, {cache, positions});
    return emit_reshape(e, taken, {r.batch, r.sequence, Dim(1), Dim(rotary / 2)});
  };
  const int cos_rows = table(cos), sin_rows = table(sin);
  const int split = emit_reshape(e, rows, four);
  return {restore(rotate(e, split, cos_rows, sin_rows, r, rotary, interleaved))};
}

}  // namespace ingot::ops
