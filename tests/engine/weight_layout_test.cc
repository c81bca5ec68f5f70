// Kernels of different buckets may read one weight in different layouts: each gets its own, also
// when steps of the buckets alternate.
#include <gtest/gtest.h>

#include "engine/executor.h"
#include "kernels/kernel_def.h"

namespace ingot {
namespace {

constexpr int64_t kK = 4, kN = 3;

// (x[t, K], w[N, K]) -> x w^T, told apart from `linear` so that no other kernel competes.
const OpDef& op() {
  static const OpDef def = {
      .name = "probe_layout_linear",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> {
        return {{DType::kFloat32, {args.input(0).shape[0], args.input(1).shape[0]}}};
      },
      .reference = [](const OpArgs&) { FAIL() << "a kernel should have run"; }};
  return def;
}

// One row a step: reads w as it is. More rows: reads it transposed.
const KernelDef& kernel() {
  static const KernelDef def = {
      .name = "probe_layout_linear_cpu",
      .op = "probe_layout_linear",
      .device = "cpu",
      .layout = [](const KernelDesc& desc, std::string_view, size_t input) -> WeightLayout {
        if (input != 1 || desc.inputs[0].shape[0] == 1) return {};
        return {"transposed",
                [](const OperandDesc& w) -> size_t {
                  return static_cast<size_t>(element_count(w.shape)) * sizeof(float);
                },
                [](std::span<const TensorView> pieces, std::byte* dst, ThreadTeam*) {
                  auto* out = reinterpret_cast<float*>(dst);
                  for (int64_t k = 0; k < kK; ++k) {
                    for (int64_t n = 0; n < kN; ++n) *out++ = pieces[0].as<float>()[n * kK + k];
                  }
                }};
      },
      .prepare =
          [](const KernelDesc& desc, std::string_view) {
            const bool plain = desc.inputs[0].shape[0] == 1;
            return make_instance([plain](const LaunchArgs& args, ExecContext&) {
              const auto* w = args.inputs[1].as<float>();
              for (int64_t t = 0; t < args.inputs[0].rows(); ++t) {
                for (int64_t n = 0; n < kN; ++n) {
                  float sum = 0;
                  for (int64_t k = 0; k < kK; ++k) {
                    sum += args.inputs[0].row_as<float>(t)[k] * w[plain ? n * kK + k : k * kN + n];
                  }
                  args.outputs[0].row_as<float>(t)[n] = sum;
                }
              }
            });
          }};
  return def;
}

TEST(WeightLayout, BelongsToItsBucket) {
  register_op(op());
  register_kernel(kernel());
  std::vector<float> weight;
  for (int i = 0; i < kN * kK; ++i) weight.push_back(static_cast<float>(i * i % 7));
  auto engine = std::make_shared<Engine>();
  Plan& plan = engine->plan;
  plan.tensors = {{"w", DType::kFloat32, {kN, kK}}};
  engine->tensors = {std::as_bytes(std::span(weight))};
  const Dim tokens = Dim::symbol("tokens");
  plan.values = {{PlanValue::Kind::kInput, "x", {DType::kFloat32, {tokens, kK}}},
                 {PlanValue::Kind::kWeight, "w", {DType::kFloat32, {kN, kK}}},
                 {PlanValue::Kind::kActivation, "y", {DType::kFloat32, {tokens, kN}}}};
  plan.values[1].segments = {0};
  plan.steps = {{StepKind::kKernel, "probe_layout_linear", {}, {0, 1}, {2}, {}}};
  plan.inputs = {0};
  plan.outputs = {2};
  plan.limits = {{"tokens", 4}};
  plan.buckets = {{{"tokens", 1}}, {{"tokens", 4}}};

  const auto device = make_cpu_device(1);
  Executor executor(engine, *device);
  std::vector<float> x;
  for (int i = 0; i < 4 * kK; ++i) x.push_back(static_cast<float>(i % 5) - 2);
  for (int64_t rows : {1, 4, 1, 3, 1}) {
    executor.set_input("x", {DType::kFloat32, {rows, kK}, reinterpret_cast<std::byte*>(x.data())});
    executor.run();
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t n = 0; n < kN; ++n) {
        float sum = 0;
        for (int64_t k = 0; k < kK; ++k) {
          sum += x[static_cast<size_t>(t * kK + k)] * weight[static_cast<size_t>(n * kK + k)];
        }
        EXPECT_EQ(executor.output("y").row_as<float>(t)[n], sum) << rows << " rows, " << t << n;
      }
    }
  }
}

}  // namespace
}  // namespace ingot
