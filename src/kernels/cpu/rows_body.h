// Row-wise operators on activations, written against vec_<isa>.h: norms, gated units, additions,
// embedding rows.
#pragma once

#include "base/check.h"
#include "base/error.h"
#include "kernels/cpu/decode_body.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/vec_kernel.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/kernel_def.h"
#include "kernels/reference.h"

namespace ingot::cpu {
namespace {

// Calls f with the reader/writer of an activation type; false if there is none.
template <class F>
bool with_io(const ElementType& type, F&& f) {
  if (type == DType::kFloat32) return f(F32Io{}), true;
  if (type == DType::kBFloat16) return f(Bf16Io{}), true;
  if (type == DType::kFloat16) return f(F16Io{}), true;
  return false;
}
inline bool has_io(const ElementType& type) {
  return with_io(type, [](auto) {});
}

// Rows handed to a thread at once: about 16k elements of work.
inline int64_t row_grain(int64_t columns) {
  return std::max<int64_t>(16384 / std::max<int64_t>(columns, 1), 1);
}

// y = x * (1 / sqrt(mean x^2 + epsilon)) * weight of n columns; with `residual` first x + residual
// -> sum, rounded to the type, and the norm of that. weight is float32.
struct NormRow {
  const void* x;
  const void* residual;
  void* sum;
  void* y;
  const float* weight;
  int64_t n;
  double epsilon;
};
template <class Io>
ISA_FN void norm_row(const NormRow& a) {
  using T = typename Io::T;
  const T* x = static_cast<const T*>(a.x);
  const int64_t whole = a.n / kLanes * kLanes;
  const int64_t rest = a.n - whole;
  if (a.residual) {
    const T* residual = static_cast<const T*>(a.residual);
    T* sum = static_cast<T*>(a.sum);
    for (int64_t i = 0; i < whole; i += kLanes) {
      Io::store(sum + i, vadd(Io::load(x + i), Io::load(residual + i)));
    }
    if (rest) {
      Io::store_n(sum + whole,
                  vadd(Io::load_n(x + whole, rest), Io::load_n(residual + whole, rest)), rest);
    }
    x = sum;
  }
  Vec squares = vzero();
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec v = Io::load(x + i);
    squares = vfma(v, v, squares);
  }
  if (rest) {
    const Vec v = Io::load_n(x + whole, rest);
    squares = vfma(v, v, squares);
  }
  const double mean = static_cast<double>(vsum(squares)) / static_cast<double>(a.n);
  const Vec scale = vset(static_cast<float>(1.0 / __builtin_sqrt(mean + a.epsilon)));
  T* y = static_cast<T*>(a.y);
  for (int64_t i = 0; i < whole; i += kLanes) {
    Io::store(y + i, vmul(Io::load(x + i), vmul(scale, vload(a.weight + i))));
  }
  if (rest) {
    Io::store_n(y + whole,
                vmul(Io::load_n(x + whole, rest), vmul(scale, vload_n(a.weight + whole, rest))),
                rest);
  }
}

// The weights of a norm as float32 with `offset` added, in scratch where they are not stored so.
inline const float* norm_weight(const TensorView& weight, float offset) {
  if (weight.type == DType::kFloat32 && offset == 0) return weight.as<float>();
  const auto n = static_cast<size_t>(weight.columns());
  auto* decoded = reinterpret_cast<float*>(thread_scratch(n * sizeof(float)));
  decode_any_row(weight, 0, decoded);
  for (size_t i = 0; i < n; ++i) decoded[i] += offset;
  return decoded;
}

// rms_norm (x, weight) -> y and add_rms_norm (x, residual, weight) -> (sum, y).
inline std::unique_ptr<KernelInstance> norm_prepare(const KernelDesc& desc, std::string_view) {
  const double epsilon = attr_or<double>(desc.attrs, "epsilon", 1e-5);
  const auto offset = static_cast<float>(attr_or<double>(desc.attrs, "weight_offset", 0.0));
  const auto group = attr_or<int64_t>(desc.attrs, "group", 0);
  const bool residual = desc.op == "add_rms_norm";
  return make_instance([=](const LaunchArgs& args, ExecContext& context) {
    const TensorView& x = args.inputs[0];
    const TensorView& weight = args.inputs[residual ? 2 : 1];
    const TensorView& y = args.outputs[residual ? 1 : 0];
    const int64_t columns = x.columns();
    const int64_t n = group > 0 ? group : columns;
    context.team->parallel_for(x.rows(), row_grain(columns), [&](int64_t begin, int64_t end) {
      const float* scale = norm_weight(weight, offset);
      for (int64_t r = begin; r < end; ++r) {
        for (int64_t first = 0; first < columns; first += n) {
          const int64_t at = x.type.bytes(first);
          const NormRow row = {x.row(r) + at,
                               residual ? args.inputs[1].row(r) + at : nullptr,
                               residual ? args.outputs[0].row(r) + at : nullptr,
                               y.row(r) + at,
                               scale,
                               n,
                               epsilon};
          with_io(x.type, [&](auto io) { norm_row<decltype(io)>(row); });
        }
      }
    });
  });
}
inline std::string norm_supports(const KernelDesc& desc) {
  const ElementType& weight = desc.inputs[desc.op == "add_rms_norm" ? 2 : 1].type;
  if (!has_io(desc.inputs[0].type)) return "input is " + desc.inputs[0].type.name();
  if (!has_io(weight)) return "weight is " + weight.name();
  return "";
}

// Element-wise functions of two vectors.
struct SiluMul {
  VEC_FN Vec apply(Vec a, Vec b) { return vmul(vmul(a, vsigmoid(a)), b); }
};
struct ReluMul {
  VEC_FN Vec apply(Vec a, Vec b) { return vmul(vmax(a, vzero()), b); }
};
struct GeluMul {
  VEC_FN Vec apply(Vec a, Vec b) { return vmul(vgelu(a), b); }
};
struct GeluTanhMul {
  VEC_FN Vec apply(Vec a, Vec b) { return vmul(vgelu_tanh(a), b); }
};
struct Sum {
  VEC_FN Vec apply(Vec a, Vec b) { return vadd(a, b); }
};
struct Product {
  VEC_FN Vec apply(Vec a, Vec b) { return vmul(a, b); }
};

template <class Io, class F>
ISA_FN void binary_row(const void* a, const void* b, void* y, int64_t n) {
  using T = typename Io::T;
  const T* p = static_cast<const T*>(a);
  const T* q = static_cast<const T*>(b);
  T* out = static_cast<T*>(y);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    Io::store(out + i, F::apply(Io::load(p + i), Io::load(q + i)));
  if (i < n)
    Io::store_n(out + i, F::apply(Io::load_n(p + i, n - i), Io::load_n(q + i, n - i)), n - i);
}
// One element b with every one of the row.
template <class Io, class F>
ISA_FN void scalar_row(const void* a, const void* b, void* y, int64_t n) {
  using T = typename Io::T;
  const T* p = static_cast<const T*>(a);
  T* out = static_cast<T*>(y);
  const Vec q = vset(vfirst(Io::load_n(static_cast<const T*>(b), 1)));
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Io::store(out + i, F::apply(Io::load(p + i), q));
  if (i < n) Io::store_n(out + i, F::apply(Io::load_n(p + i, n - i), q), n - i);
}

struct BinaryRows {
  using Row = void (*)(const void*, const void*, void*, int64_t);
  Row row = nullptr;
  Row scalar = nullptr;
};
template <class F>
BinaryRows binary_rows_for(const ElementType& type) {
  BinaryRows out;
  with_io(type, [&](auto io) { out = {binary_row<decltype(io), F>, scalar_row<decltype(io), F>}; });
  return out;
}

// Both operands have the output's shape, or the second is one row, one element a row, or one
// element. The bucket's sizes say so, those of a run may differ: two symbols that meet in the
// bucket need not be equal.
inline std::unique_ptr<KernelInstance> binary_instance(const KernelDesc& desc, BinaryRows f) {
  return make_instance([f, op = desc.op, attrs = desc.attrs](const LaunchArgs& args,
                                                             ExecContext& context) {
    const TensorView& a = args.inputs[0];
    const TensorView& b = args.inputs[1];
    const TensorView& y = args.outputs[0];
    const bool column = b.columns() == 1 && b.rows() == y.rows();
    const bool one_row = b.elements() == 1 || (b.rows() == 1 && b.columns() == y.columns());
    if (a.shape != y.shape || !(one_row || column || b.shape == y.shape)) {
      return run_reference(op, attrs, args.inputs, args.outputs);
    }
    const BinaryRows::Row run = column || b.elements() == 1 ? f.scalar : f.row;
    context.team->parallel_for(y.rows(), row_grain(y.columns()), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        run(a.row(r), b.row(one_row ? 0 : r), y.row(r), y.columns());
      }
    });
  });
}

inline std::string act_mul_supports(const KernelDesc& desc) {
  return has_io(desc.inputs[0].type) ? "" : "input is " + desc.inputs[0].type.name();
}
inline std::unique_ptr<KernelInstance> act_mul_prepare(const KernelDesc& desc, std::string_view) {
  const ElementType& type = desc.inputs[0].type;
  const auto name = attr_or<std::string>(desc.attrs, "activation", "silu");
  if (name == "relu") return binary_instance(desc, binary_rows_for<ReluMul>(type));
  if (name == "gelu") return binary_instance(desc, binary_rows_for<GeluMul>(type));
  if (name == "gelu_tanh") return binary_instance(desc, binary_rows_for<GeluTanhMul>(type));
  return binary_instance(desc, binary_rows_for<SiluMul>(type));
}

inline std::string binary_supports(const KernelDesc& desc) {
  const OperandDesc& a = desc.inputs[0];
  const OperandDesc& b = desc.inputs[1];
  if (!has_io(a.type) || !(a.type == b.type)) return "element types";
  if (!(a.shape == desc.outputs[0].shape) || a.shape.empty())
    return "the first operand is broadcast";
  const int64_t elements = element_count(b.shape);
  const bool one_row =
      !b.shape.empty() && b.shape.back() == a.shape.back() && elements == a.shape.back();
  const bool column = !b.shape.empty() && b.shape.back() == 1 &&
                      elements * a.shape.back() == element_count(a.shape) &&
                      b.shape.size() == a.shape.size();
  const bool fits = a.shape == b.shape || one_row || column || elements == 1;
  return fits ? "" : "broadcast of " + shape_text(b.shape);
}
template <class F>
std::unique_ptr<KernelInstance> binary_prepare(const KernelDesc& desc, std::string_view) {
  return binary_instance(desc, binary_rows_for<F>(desc.inputs[0].type));
}

template <class Io>
ISA_FN void store_float_row(const float* src, void* dst, int64_t n) {
  auto* out = static_cast<typename Io::T*>(dst);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Io::store(out + i, vload(src + i));
  if (i < n) Io::store_n(out + i, vload_n(src + i, n - i), n - i);
}

// Finds table row `id` in the pieces of a weight.
inline const TensorView* piece_of(const LaunchArgs& args, size_t input, int64_t* id) {
  const TensorView* found = &args.inputs[input];
  for_each_segment(args, input, [&](const TensorView& piece, int64_t first) {
    if (*id >= first) found = &piece;
  });
  int64_t before = 0;
  for_each_segment(args, input, [&](const TensorView& piece, int64_t first) {
    if (&piece == found) before = first;
  });
  *id -= before;
  return found;
}

inline std::string embedding_supports(const KernelDesc& desc) {
  const ElementType& table = desc.inputs[1].type;
  if (!has_io(desc.outputs[0].type)) return "output is " + desc.outputs[0].type.name();
  if (!table.is_block() && !is_float(table.dtype)) return "table is " + table.name();
  return "";
}
inline std::unique_ptr<KernelInstance> embedding_prepare(const KernelDesc&, std::string_view) {
  return make_instance([](const LaunchArgs& args, ExecContext& context) {
    const TensorView& ids = args.inputs[0];
    const TensorView& out = args.outputs[0];
    const int64_t vocabulary = args.inputs[1].shape[0];
    const int64_t n = out.columns();
    for (int64_t t = 0; t < out.rows(); ++t) {
      const int64_t id = load_index(ids, t);
      if (id < 0 || id >= vocabulary) {
        fail(ErrorCode::kInvalidArgument, "ops/embedding", "expected token id 0 to {}, found {}",
             vocabulary - 1, id);
      }
    }
    context.team->parallel_for(out.rows(), row_grain(n), [&](int64_t begin, int64_t end) {
      auto* row = reinterpret_cast<float*>(thread_scratch(static_cast<size_t>(n) * 4));
      for (int64_t t = begin; t < end; ++t) {
        int64_t id = load_index(ids, t);
        const TensorView* table = piece_of(args, 1, &id);
        if (table->type == out.type) {
          std::memcpy(out.row(t), table->row(id), static_cast<size_t>(out.type.bytes(n)));
          continue;
        }
        decode_any_row(*table, id, row);
        with_io(out.type, [&](auto io) { store_float_row<decltype(io)>(row, out.row(t), n); });
      }
    });
  });
}

inline std::vector<SelfTestCase> act_mul_cases() {
  return {{.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {3, 37}}}},
          {.attrs = {{"activation", std::string("gelu")}},
           .inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {3, 37}}}}};
}
// Gated units.
template <const KernelDef& (*kSelf)()>
KernelDef act_mul_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, act_mul_supports, act_mul_cases>(name, "act_mul", act_mul_prepare);
}

inline std::vector<SelfTestCase> binary_cases() {
  return {{.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {3, 37}}}},
          {.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {3, 1}}}},
          {.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {1}}}}};
}
// Equal shapes, or one row or element added to every row, or an element to each.
template <const KernelDef& (*kSelf)()>
KernelDef add_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, binary_supports, binary_cases>(name, "add", binary_prepare<Sum>);
}
// The same of products.
template <const KernelDef& (*kSelf)()>
KernelDef mul_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, binary_supports, binary_cases>(name, "mul", binary_prepare<Product>);
}

inline std::vector<SelfTestCase> rms_norm_cases() {
  return {{.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {37}}}}};
}
// Float32 arithmetic on any activation type.
template <const KernelDef& (*kSelf)()>
KernelDef rms_norm_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, norm_supports, rms_norm_cases>(name, "rms_norm", norm_prepare);
}

inline std::vector<SelfTestCase> add_rms_norm_cases() {
  return {{.inputs = {
               {DType::kFloat32, {3, 37}}, {DType::kFloat32, {3, 37}}, {DType::kFloat32, {37}}}}};
}
// Residual addition and norm in one pass.
template <const KernelDef& (*kSelf)()>
KernelDef add_rms_norm_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, norm_supports, add_rms_norm_cases>(name, "add_rms_norm", norm_prepare);
}

inline std::vector<SelfTestCase> embedding_cases() {
  return {{.attrs = {{"dtype", std::string("float32")}},
           .inputs = {{DType::kInt32, {2}, false, {3, 0}},
                      {parse_element_type("q8_0"), {5, 64}, true}}}};
}
// Tables of any float type or block format.
template <const KernelDef& (*kSelf)()>
KernelDef embedding_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, embedding_supports, embedding_cases>(name, "embedding",
                                                                embedding_prepare);
}

}  // namespace
}  // namespace ingot::cpu
