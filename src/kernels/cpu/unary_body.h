// Activations and norms of models without gated units, written against vec_<isa>.h: one input, one
// output of the same shape and type.
#pragma once

#include <limits>

#include "kernels/cpu/rows_body.h"

namespace ingot::cpu {
namespace {

struct Gelu {
  VEC_FN Vec apply(Vec x) { return vgelu(x); }
};
struct GeluTanh {
  VEC_FN Vec apply(Vec x) { return vgelu_tanh(x); }
};
struct Tanh {
  VEC_FN Vec apply(Vec x) { return vtanh(x); }
};
struct Relu {
  VEC_FN Vec apply(Vec x) { return vkeep_nan(x, vmax(x, vzero())); }
};

template <class Io, class F>
ISA_FN void unary_row(const void* x, void* y, int64_t n) {
  using T = typename Io::T;
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(y);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Io::store(out + i, F::apply(Io::load(in + i)));
  if (i < n) Io::store_n(out + i, F::apply(Io::load_n(in + i, n - i)), n - i);
}

// Long rows (networks' planes) are cut at this many elements.
constexpr int64_t kUnaryPiece = 16384;

// run(x, y, elements) for the pieces of all rows, on all threads.
template <class Run>
void run_pieces(const LaunchArgs& args, ExecContext& context, const Run& run) {
  const TensorView& x = args.inputs[0];
  const TensorView& y = args.outputs[0];
  const int64_t n = x.columns();
  const int64_t pieces = (n + kUnaryPiece - 1) / kUnaryPiece;
  context.team->parallel_for(
      x.rows() * pieces, row_grain(std::min(n, kUnaryPiece)), [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) {
          const int64_t first = p % pieces * kUnaryPiece;
          const int64_t at = x.type.bytes(first);
          run(x.row(p / pieces) + at, y.row(p / pieces) + at, std::min(n - first, kUnaryPiece));
        }
      });
}

template <class F>
std::unique_ptr<KernelInstance> unary_prepare(const KernelDesc& desc, std::string_view) {
  void (*run)(const void*, void*, int64_t) = nullptr;
  with_io(desc.inputs[0].type, [&](auto io) { run = unary_row<decltype(io), F>; });
  return make_instance(
      [run](const LaunchArgs& args, ExecContext& context) { run_pieces(args, context, run); });
}
inline std::string unary_supports(const KernelDesc& desc) {
  return has_io(desc.inputs[0].type) ? "" : "input is " + desc.inputs[0].type.name();
}
inline std::vector<SelfTestCase> unary_cases() {
  return {{.inputs = {{DType::kFloat32, {3, 37}}}}};
}

template <const KernelDef& (*kSelf)()>
KernelDef tanh_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, unary_supports, unary_cases>(name, "tanh", unary_prepare<Tanh>);
}
template <const KernelDef& (*kSelf)()>
KernelDef relu_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, unary_supports, unary_cases>(name, "relu", unary_prepare<Relu>);
}

inline std::unique_ptr<KernelInstance> gelu_prepare(const KernelDesc& desc,
                                                    std::string_view tactic) {
  return attr_or<std::string>(desc.attrs, "approximate", "none") == "tanh"
             ? unary_prepare<GeluTanh>(desc, tactic)
             : unary_prepare<Gelu>(desc, tactic);
}
inline std::vector<SelfTestCase> gelu_cases() {
  return {
      {.inputs = {{DType::kFloat32, {3, 37}}}},
      {.attrs = {{"approximate", std::string("tanh")}}, .inputs = {{DType::kFloat32, {3, 37}}}}};
}
// Both forms.
template <const KernelDef& (*kSelf)()>
KernelDef gelu_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, unary_supports, gelu_cases>(name, "gelu", gelu_prepare);
}

template <class Io>
ISA_FN void clip_row(const void* x, void* y, int64_t n, float low, float high) {
  using T = typename Io::T;
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(y);
  const Vec a = vset(low), b = vset(high);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vec v = Io::load(in + i);
    Io::store(out + i, vkeep_nan(v, vmin(vmax(v, a), b)));
  }
  if (i < n) {
    const Vec v = Io::load_n(in + i, n - i);
    Io::store_n(out + i, vkeep_nan(v, vmin(vmax(v, a), b)), n - i);
  }
}

// A limit, or `none` where there is no number.
inline float clip_limit(const LaunchArgs& args, size_t input, float none) {
  if (input >= args.inputs.size() || !args.inputs[input].present()) return none;
  float limit = none;
  load_row(args.inputs[input], 0, 0, 1, &limit);
  return limit == limit ? limit : none;
}
inline std::unique_ptr<KernelInstance> clip_prepare(const KernelDesc& desc, std::string_view) {
  void (*run)(const void*, void*, int64_t, float, float) = nullptr;
  with_io(desc.inputs[0].type, [&](auto io) { run = clip_row<decltype(io)>; });
  return make_instance([run](const LaunchArgs& args, ExecContext& context) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const float low = clip_limit(args, 1, -kInfinity), high = clip_limit(args, 2, kInfinity);
    run_pieces(args, context, [&](const void* x, void* y, int64_t n) { run(x, y, n, low, high); });
  });
}
inline std::vector<SelfTestCase> clip_cases() {
  return {{.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {}}, {DType::kFloat32, {}}}}};
}
template <const KernelDef& (*kSelf)()>
KernelDef clip_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, unary_supports, clip_cases>(name, "clip", clip_prepare);
}

struct LayerNormRow {
  const void* x;
  void* y;
  const float* scale;  // may be null, as bias
  const float* bias;
  int64_t n;
  double epsilon;
};

constexpr float kOnes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

// The mean is center + shift: rounded to one float it would cost values far from zero their digits.
VEC_FN Vec normed(const LayerNormRow& a, Vec x, Vec center, Vec shift, Vec factor, int64_t at,
                  int64_t count) {
  const bool full = count >= kLanes;
  Vec v = vmul(vsub(vsub(x, center), shift), factor);
  if (a.scale) v = vmul(v, full ? vload(a.scale + at) : vload_n(a.scale + at, count));
  if (a.bias) v = vadd(v, full ? vload(a.bias + at) : vload_n(a.bias + at, count));
  return v;
}

// Three passes: the mean; squares about it, and what rounding left of it; the result.
template <class Io>
ISA_FN void layer_norm_row(const LayerNormRow& a) {
  using T = typename Io::T;
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  const int64_t whole = a.n / kLanes * kLanes, rest = a.n - whole;
  Vec sum = vzero();
  for (int64_t i = 0; i < whole; i += kLanes) sum = vadd(sum, Io::load(x + i));
  if (rest) sum = vadd(sum, Io::load_n(x + whole, rest));
  const auto n = static_cast<double>(a.n);
  const auto about = static_cast<float>(static_cast<double>(vsum(sum)) / n);
  const Vec center = vset(about);
  Vec left = vzero(), squares = vzero();
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec d = vsub(Io::load(x + i), center);
    left = vadd(left, d);
    squares = vfma(d, d, squares);
  }
  if (rest) {  // lanes behind the end stay 0
    const Vec d = vsub(Io::load_n(x + whole, rest), vmul(center, vload_n(kOnes, rest)));
    left = vadd(left, d);
    squares = vfma(d, d, squares);
  }
  const double shift = static_cast<double>(vsum(left)) / n;
  const double variance = static_cast<double>(vsum(squares)) / n - shift * shift;
  const Vec more = vset(static_cast<float>(shift));
  const double positive = variance > 0 ? variance : 0.0;
  const Vec factor = vset(static_cast<float>(1.0 / __builtin_sqrt(positive + a.epsilon)));
  for (int64_t i = 0; i < whole; i += kLanes) {
    Io::store(y + i, normed(a, Io::load(x + i), center, more, factor, i, kLanes));
  }
  if (rest) {
    const Vec v = normed(a, Io::load_n(x + whole, rest), center, more, factor, whole, rest);
    Io::store_n(y + whole, v, rest);
  }
}

inline std::string layer_norm_supports(const KernelDesc& desc) {
  for (const OperandDesc& input : desc.inputs) {
    if (input.present && !has_io(input.type)) return "input is " + input.type.name();
  }
  return "";
}
inline std::unique_ptr<KernelInstance> layer_norm_prepare(const KernelDesc& desc,
                                                          std::string_view) {
  const double epsilon = attr_or<double>(desc.attrs, "epsilon", 1e-5);
  const auto group = attr_or<int64_t>(desc.attrs, "group", 0);
  return make_instance([epsilon, group](const LaunchArgs& args, ExecContext& context) {
    const TensorView& x = args.inputs[0];
    const TensorView& y = args.outputs[0];
    const int64_t columns = x.columns(), n = group > 0 ? group : columns;
    context.team->parallel_for(x.rows(), row_grain(columns), [&](int64_t begin, int64_t end) {
      const auto size = static_cast<size_t>(columns);
      auto* scratch = reinterpret_cast<float*>(thread_scratch(2 * size * sizeof(float)));
      const auto vector = [&](size_t i) -> const float* {
        if (i >= args.inputs.size() || !args.inputs[i].present()) return nullptr;
        if (args.inputs[i].type == DType::kFloat32) return args.inputs[i].as<float>();
        decode_any_row(args.inputs[i], 0, scratch + (i - 1) * size);
        return scratch + (i - 1) * size;
      };
      const float *scale = vector(1), *bias = vector(2);
      for (int64_t r = begin; r < end; ++r) {
        for (int64_t c = 0; c < columns; c += n) {
          const int64_t at = x.type.bytes(c);
          const LayerNormRow row = {x.row(r) + at,
                                    y.row(r) + at,
                                    scale ? scale + c : nullptr,
                                    bias ? bias + c : nullptr,
                                    n,
                                    epsilon};
          with_io(x.type, [&](auto io) { layer_norm_row<decltype(io)>(row); });
        }
      }
    });
  });
}
inline std::vector<SelfTestCase> layer_norm_cases() {
  return {
      {.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {37}}, {DType::kFloat32, {37}}}}};
}
// Float32 arithmetic on any activation type; scale and bias of any.
template <const KernelDef& (*kSelf)()>
KernelDef layer_norm_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, layer_norm_supports, layer_norm_cases>(name, "layer_norm",
                                                                  layer_norm_prepare);
}

}  // namespace
}  // namespace ingot::cpu
