// The harness itself: kernels that are wrong in each way it looks for are caught.
#include "tests/ops/harness.h"

#include <gtest/gtest-spi.h>

namespace ingot::test {
namespace {

// y = x, an operator of this test alone.
OpDef probe_op(std::string_view name) {
  return {.name = name,
          .infer = [](const InferArgs& args) { return std::vector<ValueType>{args.input(0)}; },
          .reference =
              [](const OpArgs& args) {
                std::vector<float> row(static_cast<size_t>(args.inputs[0].columns()));
                for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
                  load_row(args.inputs[0], r, 0, args.inputs[0].columns(), row.data());
                  store_row(args.outputs[0], r, 0, args.inputs[0].columns(), row.data());
                }
              }};
}

using Launch = void (*)(const LaunchArgs&, ExecContext&);

struct Outcome {
  int failures = 0, skips = 0;
};

// Runs the harness on the only kernel of a fresh operator and counts what it reports.
template <Launch launch>
Outcome outcome(std::string_view op_name) {
  static const OpDef op = probe_op(op_name);
  static const KernelDef kernel = {
      .name = op_name,
      .op = op_name,
      .device = "cpu",
      .invariant = true,
      .supports = [](const KernelDesc&) { return std::string(); },
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  register_op(op);
  register_kernel(kernel);
  const OpCase c = {.name = "probe",
                    .op = std::string(op_name),
                    .inputs = {{.type = DType::kFloat32, .shape = {tokens(), 5}, .strided = true}},
                    .symbols = {{"tokens", 7}},
                    .strided_outputs = true};
  ::testing::TestPartResultArray results;
  {
    const ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &results);
    check_case(c);
  }
  Outcome out;
  for (int i = 0; i < results.size(); ++i) {
    out.failures += results.GetTestPartResult(i).failed();
    out.skips += results.GetTestPartResult(i).skipped();
  }
  return out;
}
template <Launch launch>
int failures(std::string_view op_name) {
  return outcome<launch>(op_name).failures;
}

void copy_row(const LaunchArgs& args, int64_t r, float add) {
  for (int64_t c = 0; c < args.inputs[0].columns(); ++c) {
    args.outputs[0].row_as<float>(r)[c] = args.inputs[0].row_as<float>(r)[c] + add;
  }
}

void right(const LaunchArgs& args, ExecContext&) {
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) copy_row(args, r, 0);
}
void one_element_off(const LaunchArgs& args, ExecContext& context) {
  right(args, context);
  args.outputs[0].row_as<float>(args.outputs[0].rows() - 1)[4] += 1e-3f;
}
// Within tolerance, but not the same bits in another batch.
void depends_on_the_batch(const LaunchArgs& args, ExecContext&) {
  const int64_t rows = args.inputs[0].rows();
  for (int64_t r = 0; r < rows; ++r) copy_row(args, r, static_cast<float>(rows) * 5e-7f);
}
void depends_on_the_threads(const LaunchArgs& args, ExecContext& context) {
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    copy_row(args, r, static_cast<float>(context.team->size()) * 5e-7f);
  }
}
void writes_past_its_row(const LaunchArgs& args, ExecContext& context) {
  right(args, context);
  if (!args.outputs[0].is_packed()) args.outputs[0].row_as<float>(0)[5] = 0;
}
void ignores_the_stride(const LaunchArgs& args, ExecContext& context) {
  TensorView in = args.inputs[0];
  in.row_stride = 0;
  right({{&in, 1}, args.outputs, {}}, context);
}

TEST(op_harness, a_right_kernel_passes) { EXPECT_EQ(failures<right>("probe_right"), 0); }
TEST(op_harness, wrong_kernels_fail) {
  EXPECT_GT(failures<one_element_off>("probe_off"), 0);
  EXPECT_GT(failures<depends_on_the_batch>("probe_batch"), 0);
  EXPECT_GT(failures<depends_on_the_threads>("probe_threads"), 0);
  EXPECT_GT(failures<writes_past_its_row>("probe_gap"), 0);
  EXPECT_GT(failures<ignores_the_stride>("probe_stride"), 0);
}
TEST(op_harness, a_case_whose_kernels_are_left_out_is_skipped) {
  EXPECT_GT(failures<one_element_off>("probe_off"), 0);
  ASSERT_EQ(setenv("DEV_INGOT_LEAVE_OUT", "be_of", 1), 0);
  const Outcome left = outcome<one_element_off>("probe_off");
  const Outcome other = outcome<right>("probe_right");
  ASSERT_EQ(unsetenv("DEV_INGOT_LEAVE_OUT"), 0);
  EXPECT_EQ(left.failures, 0);
  EXPECT_EQ(left.skips, 1);
  EXPECT_EQ(other.failures + other.skips, 0);
}

}  // namespace
}  // namespace ingot::test
