// Building blocks of the float32 kernels of exported networks: packed tensors, split over the team.
// The loops are plain so that the compiler vectorizes them for the baseline instruction set.
#pragma once

#include <array>
#include <cmath>
#include <string>

#include "kernels/reference.h"

namespace ingot::cpu {

// Elements a thread takes at a time: large enough to hide the hand-out, small enough to balance.
constexpr int64_t kElementGrain = 16384;

// Empty when all operands are float32 (absent ones allowed), else the reason.
std::string needs_f32(const KernelDesc& desc);
// Whether every view of a launch is one run; kernels fall back on the reference when not.
bool all_packed(const LaunchArgs& args);

// Runs body(begin, end) over [0, count) on the team, inline without one.
template <typename F>
void split_work(ExecContext& context, int64_t count, int64_t grain, F&& body) {
  if (context.team) {
    context.team->parallel_for(count, grain, body);
  } else if (count > 0) {
    body(int64_t{0}, count);
  }
}

// y[i] = F::apply(x[i]).
template <typename F>
std::unique_ptr<KernelInstance> unary_f32_prepare(const KernelDesc& desc, std::string_view) {
  const F f = read_attrs<F>(desc.attrs, "kernels/cpu");
  return make_instance([f](const LaunchArgs& args, ExecContext& context) {
    const TensorView &in = args.inputs[0], &out = args.outputs[0];
    split_work(context, in.rows(), std::max<int64_t>(1, kElementGrain / (in.columns() + 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) {
                   const float* x = in.row_as<float>(r);
                   float* y = out.row_as<float>(r);
                   for (int64_t i = 0; i < in.columns(); ++i) y[i] = f(x[i]);
                 }
               });
  });
}

template <typename F>
KernelDef unary_f32(std::string_view name) {
  KernelDef def;
  def.name = name;
  def.op = F::op;
  def.device = "cpu";
  def.invariant = true;
  def.priority = 5;  // below hand-written vector kernels
  def.supports = &needs_f32;
  def.prepare = &unary_f32_prepare<F>;
  return def;
}

// How two operands of one output are read: the output is rows of `inner` elements; in each row an
// operand is either a run or one repeated value. Covers equal shapes, scalars, per-channel and
// per-row vectors; other broadcasts go row by row of the last axis.
struct BroadcastPlan {
  Shape outer;  // leading axes of the output
  int64_t inner = 1;
  std::array<std::vector<int64_t>, 2> strides;  // of the outer axes, in elements
  std::array<bool, 2> repeats{};                // one value for a whole row
};
BroadcastPlan plan_broadcast(const Shape& a, const Shape& b, const Shape& out);
// Offsets of both operands at outer index `row`.
std::array<int64_t, 2> broadcast_offsets(const BroadcastPlan& plan, int64_t row);

template <typename F>
std::unique_ptr<KernelInstance> binary_f32_prepare(const KernelDesc& desc, std::string_view) {
  return make_instance(
      [attrs = desc.attrs, op = desc.op](const LaunchArgs& args, ExecContext& context) {
        if (!all_packed(args)) return run_reference(op, attrs, args.inputs, args.outputs);
        const TensorView &a = args.inputs[0], &b = args.inputs[1], &y = args.outputs[0];
        const BroadcastPlan plan = plan_broadcast(a.shape, b.shape, y.shape);
        const int64_t rows = element_count(plan.outer), n = plan.inner;
        split_work(context, rows, std::max<int64_t>(1, kElementGrain / (n + 1)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t r = begin; r < end; ++r) {
                       const auto at = broadcast_offsets(plan, r);
                       const float* p = a.as<float>() + at[0];
                       const float* q = b.as<float>() + at[1];
                       float* out = y.as<float>() + r * n;
                       if (plan.repeats[0]) {
                         for (int64_t i = 0; i < n; ++i) out[i] = F::apply(p[0], q[i]);
                       } else if (plan.repeats[1]) {
                         for (int64_t i = 0; i < n; ++i) out[i] = F::apply(p[i], q[0]);
                       } else {
                         for (int64_t i = 0; i < n; ++i) out[i] = F::apply(p[i], q[i]);
                       }
                     }
                   });
      });
}

template <typename F>
KernelDef binary_f32(std::string_view name, std::string_view op) {
  KernelDef def;
  def.name = name;
  def.op = op;
  def.device = "cpu";
  def.invariant = true;
  def.priority = 5;  // below hand-written vector kernels
  def.supports = &needs_f32;
  def.prepare = &binary_f32_prepare<F>;
  return def;
}

}  // namespace ingot::cpu
