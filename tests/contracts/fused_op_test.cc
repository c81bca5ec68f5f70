// Probe: a fused operator with a decomposition, added from outside. It runs through its
// decomposition on the reference adapter and through a registered kernel, with equal results.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "compiler/compile.h"
#include "engine/executor.h"
#include "kernels/kernel_def.h"

namespace ingot {
namespace {

// (x[.., K], norm weight[K], w[N, K]) -> rms_norm(x) w^T, one op.
const OpDef& norm_linear_op() {
  static const OpDef op = {
      .name = "probe_norm_linear",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> {
        ValueType out = args.input(0);
        const ValueType& w = args.input(2);
        if (w.shape.size() != 2 || !(w.shape[1] == out.shape.back())) args.bad("weight's shape");
        out.shape.back() = w.shape[0];
        return {out};
      },
      .decompose =
          [](OpEmitter& emitter, const Attrs& attrs, std::span<const int> inputs) {
            const int norm = emitter.emit("rms_norm", attrs, {inputs[0], inputs[1]});
            return std::vector<int>{emitter.emit("linear", {}, {norm, inputs[2]})};
          }};
  return op;
}

void launch(const LaunchArgs& args, double epsilon) {
  const TensorView& x = args.inputs[0];
  const int64_t k = x.columns();
  std::vector<float> row(static_cast<size_t>(k)), scale(row), weight(row);
  load_row(args.inputs[1], 0, 0, k, scale.data());
  for (int64_t t = 0; t < x.rows(); ++t) {
    load_row(x, t, 0, k, row.data());
    double squares = 0;
    for (float v : row) squares += double{v} * v;
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(k) + epsilon);
    for_each_segment(args, 2, [&](const TensorView& piece, int64_t first) {
      for (int64_t n = 0; n < piece.shape[0]; ++n) {
        load_row(piece, n, 0, k, weight.data());
        double sum = 0;
        for (size_t i = 0; i < row.size(); ++i) sum += row[i] * inverse * scale[i] * weight[i];
        const auto value = static_cast<float>(sum);
        store_row(args.outputs[0], t, first + n, 1, &value);
      }
    });
  }
}

const KernelDef& norm_linear_kernel() {
  static const KernelDef kernel = {
      .name = "probe_norm_linear_cpu",
      .op = "probe_norm_linear",
      .device = "cpu",
      .invariant = true,
      .prepare = [](const KernelDesc& desc, std::string_view) {
        const auto epsilon = attr_or<double>(desc.attrs, "epsilon", 1e-5);
        return make_instance(
            [epsilon](const LaunchArgs& args, ExecContext&) { launch(args, epsilon); });
      }};
  return kernel;
}

constexpr int64_t kK = 24, kN = 10, kTokens = 5;

std::vector<float> values(int64_t count, uint64_t seed) {
  std::vector<float> out;
  for (uint64_t i = 0; i < static_cast<uint64_t>(count); ++i) {
    out.push_back(static_cast<float>(2 * random_unit(seed, i) - 1));
  }
  return out;
}

std::span<const std::byte> bytes(const std::vector<float>& v) {
  return std::as_bytes(std::span(v));
}

// The graph with the fused op, or the same in primitives.
std::shared_ptr<Engine> build(bool fused) {
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {Dim::symbol("tokens"), kK}});
  const int norm = graph.add_constant(DType::kFloat32, {kK}, bytes(values(kK, 1)));
  const int w = graph.add_constant(DType::kFloat32, {kN, kK}, bytes(values(kN * kK, 2)));
  const Attrs attrs = {{"epsilon", 1e-6}};
  const int y = fused ? graph.emit("probe_norm_linear", attrs, {x, norm, w})
                      : graph.emit("linear", {}, {graph.emit("rms_norm", attrs, {x, norm}), w});
  graph.add_output(y);
  graph.rename(y, "y");
  graph.limits()["tokens"] = kTokens;
  return compile(graph, {.passes = {.verify = true}});
}

std::vector<float> run(std::shared_ptr<const Engine> engine, bool reference,
                       std::vector<std::string>& kernels) {
  const auto device = make_cpu_device(2);
  Executor executor(std::move(engine), *device, {.selection = {.reference = reference}});
  std::vector<float> x = values(kTokens * kK, 3);
  executor.set_input("x", {DType::kFloat32, {kTokens, kK}, reinterpret_cast<std::byte*>(x.data())});
  executor.run();
  kernels = executor.kernels_used();
  std::vector<float> out(kTokens * kN);
  for (int64_t t = 0; t < kTokens; ++t) {
    load_row(executor.output("y"), t, 0, kN, out.data() + t * kN);
  }
  return out;
}

TEST(FusedOp, RunsByDecompositionAndByKernel) {
  register_op(norm_linear_op());
  register_kernel(norm_linear_kernel());
  const auto fused = build(true);
  ASSERT_EQ(fused->plan.steps.size(), 1u);  // stays fused in the plan

  std::vector<std::string> kernels;
  const std::vector<float> decomposed = run(fused, true, kernels);
  EXPECT_EQ(kernels, std::vector<std::string>{"reference"});
  // The decomposition is the definition: bit for bit the graph of primitives.
  EXPECT_EQ(decomposed, run(build(false), true, kernels));

  const std::vector<float> by_kernel = run(fused, false, kernels);
  EXPECT_EQ(kernels, std::vector<std::string>{"probe_norm_linear_cpu"});
  double largest = 0;
  for (size_t i = 0; i < by_kernel.size(); ++i) {
    EXPECT_NEAR(by_kernel[i], decomposed[i], 2e-5) << i;
    largest = std::max(largest, std::fabs(double{decomposed[i]}));
  }
  EXPECT_GT(largest, 0.1);
}

}  // namespace
}  // namespace ingot
