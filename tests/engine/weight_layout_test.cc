// Kernels of different buckets may read one weight in different layouts: each gets its own, also
// when steps of the buckets alternate.
#include <gtest/gtest.h>

#include "base/knobs.h"
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

// Three kernels of one operator: for one row, for more rows (each with its own packed form of the
// weight), and a slower one that reads it as it is.
enum class Form { kPlain, kDecode, kPrefill };

template <Form kForm>
size_t place(int64_t n, int64_t k) {
  if constexpr (kForm == Form::kDecode) return static_cast<size_t>(k * kN + n);
  if constexpr (kForm == Form::kPrefill) return static_cast<size_t>(kN * kK - 1 - (n * kK + k));
  return static_cast<size_t>(n * kK + k);
}

template <Form kForm>
WeightLayout form_layout(const KernelDesc&, std::string_view, size_t input) {
  if (input != 1) return {};
  return {kForm == Form::kDecode ? "decode" : "prefill",
          [](const OperandDesc&) -> size_t { return kN * kK * sizeof(float); },
          [](std::span<const TensorView> pieces, std::byte* dst, ThreadTeam*) {
            auto* out = reinterpret_cast<float*>(dst);
            for (int64_t n = 0; n < kN; ++n) {
              for (int64_t k = 0; k < kK; ++k) {
                out[place<kForm>(n, k)] = pieces[0].as<float>()[n * kK + k];
              }
            }
          }};
}

template <Form kForm>
std::string form_supports(const KernelDesc& desc) {
  const bool one = desc.inputs[0].shape[0] == 1;
  return kForm == Form::kPlain || one == (kForm == Form::kDecode) ? "" : "another number of rows";
}

template <Form kForm>
std::unique_ptr<KernelInstance> form_prepare(const KernelDesc&, std::string_view) {
  return make_instance([](const LaunchArgs& args, ExecContext&) {
    const auto* w = args.inputs[1].as<float>();
    for (int64_t t = 0; t < args.inputs[0].rows(); ++t) {
      for (int64_t n = 0; n < kN; ++n) {
        float sum = 0;
        for (int64_t k = 0; k < kK; ++k) {
          sum += args.inputs[0].row_as<float>(t)[k] * w[place<kForm>(n, k)];
        }
        args.outputs[0].row_as<float>(t)[n] = sum;
      }
    }
  });
}

template <Form kForm>
const KernelDef& form_kernel(std::string_view name) {
  static const KernelDef def = {.name = name,
                                .op = "probe_layout_forms",
                                .device = "cpu",
                                .priority = kForm == Form::kPlain ? 1 : 10,
                                .supports = form_supports<kForm>,
                                .layout = kForm == Form::kPlain ? nullptr : form_layout<kForm>,
                                .prepare = form_prepare<kForm>};
  return def;
}

// Kernels that ran, for steps of these numbers of rows; their results are checked.
std::vector<std::string> run_forms(std::vector<Bucket> buckets, const std::vector<int64_t>& steps) {
  static const bool registered = [] {
    static OpDef forms = op();
    forms.name = "probe_layout_forms";
    register_op(forms);
    register_kernel(form_kernel<Form::kPlain>("probe_form_plain"));
    register_kernel(form_kernel<Form::kDecode>("probe_form_decode"));
    register_kernel(form_kernel<Form::kPrefill>("probe_form_prefill"));
    return true;
  }();
  EXPECT_TRUE(registered);
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
  plan.steps = {{StepKind::kKernel, "probe_layout_forms", {}, {0, 1}, {2}, {}}};
  plan.inputs = {0};
  plan.outputs = {2};
  plan.limits = buckets.back();
  plan.buckets = std::move(buckets);

  const auto device = make_cpu_device(1);
  Executor executor(engine, *device);
  for (int64_t rows : steps) {
    std::vector<float> x;
    for (int64_t i = 0; i < rows * kK; ++i) x.push_back(static_cast<float>(i % 5) - 2);
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
  return executor.kernels_used();
}

using Kernels = std::vector<std::string>;

// It was an error at run time, in the first step that met the second layout.
TEST(WeightLayout, OneIsChosenForAllBuckets) {
  const Bucket one = {{"tokens", 1}}, four = {{"tokens", 4}}, many = {{"tokens", 16}};
  EXPECT_EQ(run_forms({one, four, many}, {1, 3, 9, 1, 4}),
            (Kernels{"probe_form_plain", "probe_form_prefill"}))
      << "two buckets want the layout of many rows, one that of one row";
  EXPECT_EQ(run_forms({one, many}, {9, 1, 3}), (Kernels{"probe_form_decode", "probe_form_plain"}))
      << "one bucket each: the smaller one wins";
}

TEST(WeightLayout, ASecondOneNeedsABudget) {
  set_knob("pack_budget_mb", "1");
  const Kernels used = run_forms({{{"tokens", 1}}, {{"tokens", 4}}}, {1, 3, 1, 4});
  set_knob("pack_budget_mb", "0");
  EXPECT_EQ(used, (Kernels{"probe_form_decode", "probe_form_prefill"}));
}

}  // namespace
}  // namespace ingot
