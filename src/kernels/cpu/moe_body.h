// Mixtures of experts, written against vec_<isa>.h: pairs of a token and one of its experts are
// grouped by expert, a linear kernel multiplies each group, the rest is done here.
//
// A row's result depends on the row alone, as the linear kernel's does, and a token's experts are
// added up in the order of j.
#pragma once

#include "kernels/cpu/linear_common.h"
#include "kernels/cpu/rows_body.h"
#include "ops/shared/moe_inputs.h"

namespace ingot::cpu {
namespace {

// Pairs of one expert that are worked on at once: what lies between the products stays small.
constexpr int64_t kMostMoeRows = 256;

struct MoeShape {
  int64_t tokens, k, experts, hidden, inner;
  bool apart;  // gate and up are two inputs
  int64_t pairs() const { return tokens * k; }
  int64_t rows() const { return std::min(tokens, kMostMoeRows); }
  int64_t gate_rows() const { return apart ? inner : 2 * inner; }
};
template <class Operands>  // descriptors or views
MoeShape moe_shape(const Operands& inputs, bool apart) {
  const Shape& down = inputs[kMoeDown].shape;
  return {inputs[kMoeX].shape[0], inputs[kMoeIds].shape[1], down[0], down[1], down[2], apart};
}
inline MoeShape moe_shape(const KernelDesc& desc) {
  return moe_shape(desc.inputs, desc.inputs.size() > kMoeUp && desc.inputs[kMoeUp].present);
}

// What the linear kernel sees of one expert: rows of x times its gate (and up), or its down.
inline KernelDesc expert_desc(const KernelDesc& desc, bool gate, int64_t rows) {
  const MoeShape s = moe_shape(desc);
  const int64_t n = gate ? s.gate_rows() : s.hidden;
  const int64_t k = gate ? s.hidden : s.inner;
  KernelDesc out;
  out.op = "linear";
  out.attrs = {{"dtype", std::string("float32")}};
  out.inputs = {
      {.type = desc.inputs[kMoeX].type, .shape = {rows, k}},
      {.type = desc.inputs[gate ? kMoeGate : kMoeDown].type, .shape = {n, k}, .constant = true}};
  out.outputs = {{.type = DType::kFloat32, .shape = {rows, n}}};
  out.invariant = desc.invariant;
  out.capability = desc.capability;
  return out;
}

// dst = activation(gate) * up.
template <class F, class Io>
ISA_FN void gated_row(const float* gate, const float* up, std::byte* dst, int64_t n) {
  auto* out = reinterpret_cast<typename Io::T*>(dst);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Io::store(out + i, F::apply(vload(gate + i), vload(up + i)));
  }
  if (i < n)
    Io::store_n(out + i, F::apply(vload_n(gate + i, n - i), vload_n(up + i, n - i)), n - i);
}
using GatedRow = void (*)(const float*, const float*, std::byte*, int64_t);
template <class F>
GatedRow gated_row_for(const ElementType& type) {
  GatedRow out = nullptr;
  with_io(type, [&](auto io) { out = gated_row<F, decltype(io)>; });
  return out;
}
inline GatedRow find_gated_row(const Attrs& attrs, const ElementType& type) {
  const auto name = attr_or<std::string>(attrs, "activation", "silu");
  if (name == "relu") return gated_row_for<ReluMul>(type);
  if (name == "gelu") return gated_row_for<GeluMul>(type);
  if (name == "gelu_tanh") return gated_row_for<GeluTanhMul>(type);
  return gated_row_for<SiluMul>(type);
}

// dst = sum of weights[j] * rows[j], in order.
template <class Io>
ISA_FN void weighted_rows(const float* const* rows, const float* weights, int64_t count,
                          std::byte* dst, int64_t n) {
  auto* out = reinterpret_cast<typename Io::T*>(dst);
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t here = std::min<int64_t>(kLanes, n - i);
    Vec sum = vzero();
    for (int64_t j = 0; j < count; ++j) {
      const Vec row = here == kLanes ? vload(rows[j] + i) : vload_n(rows[j] + i, here);
      sum = vfma(vset(weights[j]), row, sum);
    }
    if (here == kLanes) {
      Io::store(out + i, sum);
    } else {
      Io::store_n(out + i, sum, here);
    }
  }
}

class MoeFfn final : public KernelInstance {
 public:
  MoeFfn(const KernelDesc& desc, const KernelDef& linear)
      : type_(desc.inputs[kMoeX].type),
        shape_(moe_shape(desc)),
        gated_(find_gated_row(desc.attrs, type_)) {
    const auto inner = [&](bool gate) {
      const KernelDesc one = expert_desc(desc, gate, shape_.rows());
      return linear.prepare(one, linear.tactics ? linear.tactics(one)[0] : std::string());
    };
    gate_ = inner(true);
    down_ = inner(false);
    begin_.resize(static_cast<size_t>(shape_.experts) + 1);
    for (auto& begins : experts_) begins.resize(static_cast<size_t>(shape_.experts));
    order_.reserve(static_cast<size_t>(shape_.pairs()));
    place_.reserve(static_cast<size_t>(shape_.pairs()));
  }
  size_t workspace_bytes() const override {
    return Workspace(shape_, type_, nested_bytes(), nullptr).size;
  }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    MoeShape shape = shape_;
    shape.tokens = args.inputs[kMoeX].shape[0];
    if (shape.tokens == 0) return;
    std::vector<std::byte> grown;  // a size without a limit: control flow told it
    const size_t needed = Workspace(shape, type_, nested_bytes(), nullptr).size;
    std::byte* memory = context.workspace.data();
    if (needed > context.workspace.size()) {
      grown.resize(needed + 64);
      memory = grown.data() + (64 - reinterpret_cast<uintptr_t>(grown.data()) % 64) % 64;
    }
    Job job = {args, context, shape, Workspace(shape, type_, nested_bytes(), memory)};
    group(args.inputs[kMoeIds], shape);
    for (size_t input : {kMoeGate, kMoeDown, kMoeUp}) {
      if (input == kMoeUp && !shape.apart) continue;
      find_experts(args, input, experts_[input - kMoeGate]);
    }
    for (int64_t e = 0; e < shape.experts; ++e) {
      const int64_t end = begin_[static_cast<size_t>(e) + 1];
      for (int64_t at = begin_[static_cast<size_t>(e)]; at < end; at += shape.rows()) {
        run_expert(job, e, at, std::min(shape.rows(), end - at));
      }
    }
    combine(job);
  }

 private:
  // Parts of one launch's memory, each at a multiple of 64 bytes.
  struct Workspace {
    std::byte *x, *middle, *nested;
    float *gate, *up, *parts;
    size_t nested_size, size = 0;
    Workspace(const MoeShape& s, const ElementType& type, size_t nested_bytes, std::byte* memory)
        : nested_size(nested_bytes) {
      const auto take = [&](int64_t bytes) {
        std::byte* at = memory ? memory + size : nullptr;
        size += static_cast<size_t>(round_up(bytes, 64));
        return at;
      };
      x = take(s.rows() * type.bytes(s.hidden));
      gate = reinterpret_cast<float*>(take(s.rows() * s.gate_rows() * 4));
      up = reinterpret_cast<float*>(take(s.apart ? s.rows() * s.inner * 4 : 0));
      middle = take(s.rows() * type.bytes(s.inner));
      parts = reinterpret_cast<float*>(take(s.pairs() * s.hidden * 4));
      nested = take(static_cast<int64_t>(nested_bytes));
    }
  };
  struct Job {
    const LaunchArgs& args;
    ExecContext& context;
    MoeShape shape;
    Workspace work;
  };

  size_t nested_bytes() const {
    return std::max(gate_->workspace_bytes(), down_->workspace_bytes());
  }

  // order_: pairs by expert, from begin_[expert] on; place_: where a pair is, -1 if nowhere.
  void group(const TensorView& ids, const MoeShape& shape) {
    const auto id_of = [&](int64_t pair) {
      const int64_t id = load_index(ids, pair);
      return id >= 0 && id < shape.experts ? id : -1;
    };
    std::fill(begin_.begin(), begin_.end(), 0);
    for (int64_t i = 0; i < shape.pairs(); ++i) {
      if (const int64_t id = id_of(i); id >= 0) ++begin_[static_cast<size_t>(id) + 1];
    }
    for (size_t e = 1; e < begin_.size(); ++e) begin_[e] += begin_[e - 1];
    next_.assign(begin_.begin(), begin_.end());
    order_.resize(static_cast<size_t>(shape.pairs()));
    place_.resize(static_cast<size_t>(shape.pairs()));
    for (int64_t i = 0; i < shape.pairs(); ++i) {
      const int64_t id = id_of(i);
      int64_t& place = place_[static_cast<size_t>(i)];
      place = id < 0 ? -1 : next_[static_cast<size_t>(id)]++;
      if (place >= 0) order_[static_cast<size_t>(place)] = i;
    }
  }

  // Where each expert's matrix begins.
  static void find_experts(const LaunchArgs& args, size_t input, std::vector<std::byte*>& begins) {
    for_each_segment(args, input, [&](const TensorView& piece, int64_t first) {
      for (int64_t e = 0; e < piece.shape[0]; ++e) {
        begins[static_cast<size_t>(first + e)] = piece.row(e * piece.shape[1]);
      }
    });
  }
  TensorView matrix(const Job& job, size_t input, int64_t expert) const {
    const TensorView& all = job.args.inputs[input];
    return {all.type,
            {all.shape[1], all.shape[2]},
            experts_[input - kMoeGate][static_cast<size_t>(expert)]};
  }

  static void multiply(KernelInstance& linear, const Job& job, const TensorView& x,
                       const TensorView& weight, float* y) {
    const TensorView inputs[] = {x, weight};
    const TensorView outputs[] = {
        {DType::kFloat32, {x.shape[0], weight.shape[0]}, reinterpret_cast<std::byte*>(y)}};
    ExecContext context{job.context.device,
                        job.context.stream,
                        job.context.team,
                        {job.work.nested, job.work.nested_size}};
    linear.launch({inputs, outputs, {}}, context);
  }

  // Places [first, first + count) of order_, all of expert `e`.
  void run_expert(const Job& job, int64_t e, int64_t first, int64_t count) const {
    const MoeShape& s = job.shape;
    ThreadTeam& team = *job.context.team;
    const TensorView x = gather(job, first, count);
    multiply(*gate_, job, x, matrix(job, kMoeGate, e), job.work.gate);
    if (s.apart) multiply(*gate_, job, x, matrix(job, kMoeUp, e), job.work.up);
    const TensorView middle = {type_, {count, s.inner}, job.work.middle};
    team.parallel_for(count, row_grain(s.inner), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* gate = job.work.gate + r * s.gate_rows();
        gated_(gate, s.apart ? job.work.up + r * s.inner : gate + s.inner, middle.row(r), s.inner);
      }
    });
    multiply(*down_, job, middle, matrix(job, kMoeDown, e), job.work.parts + first * s.hidden);
  }

  // The rows of x of these pairs; one alone is read where it is.
  TensorView gather(const Job& job, int64_t first, int64_t count) const {
    const TensorView& x = job.args.inputs[kMoeX];
    const auto token = [&](int64_t r) {
      return order_[static_cast<size_t>(first + r)] / job.shape.k;
    };
    if (count == 1) return {type_, {1, job.shape.hidden}, x.row(token(0))};
    const TensorView out = {type_, {count, job.shape.hidden}, job.work.x};
    const auto bytes = static_cast<size_t>(type_.bytes(job.shape.hidden));
    job.context.team->parallel_for(count, row_grain(job.shape.hidden),
                                   [&](int64_t begin, int64_t end) {
                                     for (int64_t r = begin; r < end; ++r)
                                       std::memcpy(out.row(r), x.row(token(r)), bytes);
                                   });
    return out;
  }

  void combine(const Job& job) const {
    const MoeShape& s = job.shape;
    const auto* weights = job.args.inputs[kMoeWeights].as<float>();
    const TensorView& y = job.args.outputs[0];
    job.context.team->parallel_for(
        s.tokens, row_grain(s.hidden * s.k), [&](int64_t begin, int64_t end) {
          std::vector<const float*> rows(static_cast<size_t>(s.k));
          std::vector<float> factors(static_cast<size_t>(s.k));
          for (int64_t t = begin; t < end; ++t) {
            int64_t count = 0;
            for (int64_t pair = t * s.k; pair < (t + 1) * s.k; ++pair) {
              const int64_t place = place_[static_cast<size_t>(pair)];
              if (place < 0) continue;
              rows[static_cast<size_t>(count)] = job.work.parts + place * s.hidden;
              factors[static_cast<size_t>(count++)] = weights[pair];
            }
            with_io(y.type, [&](auto io) {
              weighted_rows<decltype(io)>(rows.data(), factors.data(), count, y.row(t), s.hidden);
            });
          }
        });
  }

  ElementType type_;
  MoeShape shape_;
  GatedRow gated_;
  std::unique_ptr<KernelInstance> gate_, down_;  // of one expert; gate_ multiplies by up too
  std::vector<std::byte*> experts_[3];           // gate, down, up
  std::vector<int64_t> begin_, next_, order_, place_;
};

// kLinear is the linear kernel, in canonical layout.
template <const KernelDef& (*kLinear)()>
std::string moe_supports(const KernelDesc& desc) {
  if (!has_io(desc.inputs[kMoeX].type)) return "input is " + desc.inputs[kMoeX].type.name();
  if (kLinear().layout) return "weights are packed";
  for (bool gate : {true, false}) {
    const std::string reason = kLinear().supports(expert_desc(desc, gate, moe_shape(desc).rows()));
    if (!reason.empty()) return reason;
  }
  return "";
}

// As good as its linear kernel for as many rows as an expert has on average.
template <const KernelDef& (*kLinear)()>
int moe_rank(const KernelDesc& desc) {
  const MoeShape s = moe_shape(desc);
  const int64_t rows = std::max<int64_t>(s.pairs() / s.experts, 1);
  return kLinear().rank ? kLinear().rank(expert_desc(desc, true, rows)) : kLinear().priority;
}

inline std::vector<SelfTestCase> moe_cases(const ElementType& type) {
  std::vector<SelfTestCase> out;
  for (const ElementType& weight : {type, parse_element_type("q8_0")}) {
    out.push_back({.inputs = {{type, {20, 64}},
                              {DType::kInt32, {20, 2}, false, std::vector<int64_t>(40, 1)},
                              {DType::kFloat32, {20, 2}},
                              {weight, {3, 96, 64}, true},
                              {weight, {3, 64, 96}, true},
                              {weight, {3, 96, 64}, true}}});
  }
  return out;
}

// kSelf is the registered function, which holds the definition.
template <const KernelDef& (*kSelf)(), const KernelDef& (*kLinear)()>
KernelDef moe_ffn_vec_kernel(std::string_view name, DType type) {
  KernelDef kernel = {
      .name = name,
      .op = "moe_ffn",
      .device = "cpu",
      .invariant = true,
      .priority = kLinear().priority,
      .rank = moe_rank<kLinear>,
      .supports =
          [](const KernelDesc& desc) {
            return cpu_isa() < kVecIsa ? std::string(kVecIsaMissing) : moe_supports<kLinear>(desc);
          },
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<MoeFfn>(desc, kLinear());
      }};
  kernel.self_test = type == DType::kFloat32
                         ? +[] { return self_test(kSelf(), moe_cases(DType::kFloat32)); }
                         : +[] { return self_test(kSelf(), moe_cases(DType::kBFloat16)); };
  return kernel;
}

}  // namespace
}  // namespace ingot::cpu
