#include "engine/idle_steps.h"

#include "tests/contracts/fake_device.h"
#include "tests/engine/small_engine.h"

namespace ingot {
namespace idle_steps_test {

using testing::IsEmpty;

std::vector<ValueType> same(const InferArgs& args) { return {args.input(0)}; }
void copy(const OpArgs& args) {
  const size_t bytes = static_cast<size_t>(args.inputs[0].bytes());
  std::copy_n(args.inputs[0].data, bytes, args.outputs[0].data);
}

const OpDef& counted_op() {
  static const OpDef op = {.name = "test_idle_counted", .infer = same, .reference = copy};
  return op;
}
const OpDef& meeting_op() {
  static const OpDef op = {.name = "test_idle_meeting",
                           .infer = same,
                           .effects = {.collective = true},
                           .reference = copy};
  return op;
}

int prepared = 0, launched = 0;

class IdleStepsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    static const KernelDef kernel = {
        .name = "test_idle_counted_cpu",
        .op = "test_idle_counted",
        .device = "cpu",
        .prepare = [](const KernelDesc& desc, std::string_view) {
          for (int64_t size : desc.inputs[0].shape) EXPECT_GT(size, 0);
          ++prepared;
          return make_instance([](const LaunchArgs& args, ExecContext&) {
            EXPECT_GT(args.inputs[0].elements(), 0);
            ++launched;
            copy({args.inputs, args.outputs, {}});
          });
        }};
    register_op(counted_op());
    register_op(meeting_op());
    register_kernel(kernel);
  }
  void SetUp() override { prepared = launched = 0; }

  // Two branches that share nothing: x[n, 2] -> y, f[2 * m, 2] -> z by two steps.
  static std::shared_ptr<Engine> branches(std::vector<Bucket> buckets) {
    EngineMaker maker;
    const Dim m = Dim::symbol("m");
    const int x = maker.input("x", DType::kFloat32, {Dim::symbol("n"), 2});
    const int count = maker.input("count", DType::kInt32, {m});
    const int f = maker.input("f", DType::kFloat32, {m * Dim(2), 2});
    (void)count;
    const int z = maker.step("test_idle_counted", {}, {f})[0];
    maker.output(maker.step("test_idle_counted", {}, {x})[0], "y");
    maker.output(maker.step("test_idle_counted", {}, {z})[0], "z");
    return maker.finish({{"n", 4}, {"m", 4}}, std::move(buckets));
  }
  static void run(Executor& executor, int64_t n, int64_t m) {
    launched = 0;
    std::vector<float> x = ramp(static_cast<size_t>(n * 2), 1, 1);
    std::vector<float> f = ramp(static_cast<size_t>(m * 4), -1, 2);
    std::vector<int32_t> count(static_cast<size_t>(m));
    executor.set_input("count", host_view(count, {m}));
    executor.set_input("x", host_view(x, {n, 2}));
    executor.set_input("f", host_view(f, {2 * m, 2}));
    executor.run();
    EXPECT_EQ(floats_of(executor.output("y")), x);
    EXPECT_EQ(floats_of(executor.output("z")), f);
  }

  std::unique_ptr<Device> device_ = make_cpu_device(1);
};

TEST_F(IdleStepsTest, ABucketWithoutRowsPreparesNothingForThem) {
  Executor executor(branches({{{"n", 4}, {"m", 0}}, {{"n", 4}, {"m", 4}}}), *device_);
  run(executor, 3, 0);
  EXPECT_EQ(prepared, 1);
  EXPECT_EQ(launched, 1);
  run(executor, 3, 2);
  EXPECT_EQ(prepared, 4);
  EXPECT_EQ(launched, 3);
  run(executor, 4, 0);
  EXPECT_EQ(prepared, 4);
  EXPECT_EQ(launched, 1);
}

TEST_F(IdleStepsTest, StepsWithoutRowsAreNotLaunched) {
  for (std::vector<Bucket> buckets : {std::vector<Bucket>{}, {{{"n", 4}, {"m", 4}}}}) {
    prepared = 0;
    Executor executor(branches(buckets), *device_);
    run(executor, 3, 0);
    EXPECT_EQ(prepared, 3);
    EXPECT_EQ(launched, 1);
    run(executor, 0, 3);
    EXPECT_EQ(launched, 2);
    run(executor, 0, 0);
    EXPECT_EQ(launched, 0);
    run(executor, 2, 1);
    EXPECT_EQ(launched, 3);
    EXPECT_EQ(prepared, 3);
  }
}

TEST_F(IdleStepsTest, OnlyWhatWasLaunchedIsShown) {
  std::vector<size_t> seen;
  ExecutorOptions options;
  options.on_step = [&](const StepSeen& step) { seen.push_back(step.index); };
  Executor executor(branches({}), *device_, options);
  run(executor, 3, 0);
  EXPECT_EQ(seen, (std::vector<size_t>{1}));
}

// A kernel of many rows alone, which cannot be captured.
TEST_F(IdleStepsTest, AKernelThatCannotBeCapturedStopsItsBucketAlone) {
  static const KernelDef kernel = {
      .name = "test_idle_negate_many",
      .op = "neg",
      .device = "fake",
      .capturable = false,
      .priority = 9,
      .supports = [](const KernelDesc& desc) -> std::string {
        return desc.outputs[0].shape[0] < 8 ? "few rows" : "";
      },
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return make_instance([desc](const LaunchArgs& args, ExecContext& context) {
          static_cast<FakeDevice&>(context.device).launch(desc, args);
        });
      }};
  register_kernel(kernel);
  FakeDevice device;
  EngineMaker maker;
  const int x = maker.input("x", DType::kFloat32, {Dim::symbol("n"), 4});
  maker.output(maker.step("neg", {}, {x})[0], "y");
  const auto engine = maker.finish({{"n", 8}});
  engine->plan.buckets = {{{"n", 1}}, {{"n", 8}}};
  ExecutorOptions options;
  options.capture = true;
  Executor executor(engine, device, options);
  const auto run = [&](int64_t rows, int times) {
    std::vector<float> values = ramp(static_cast<size_t>(rows * 4), 1, 1);
    for (int i = 0; i < times; ++i) {
      executor.set_input("x", host_view(values, {rows, 4}));
      executor.run();
    }
    return device.captures;
  };
  EXPECT_EQ(run(8, 3), 0);
  EXPECT_THAT(executor.kernels_used(), testing::ElementsAre("test_idle_negate_many"));
  EXPECT_EQ(run(1, 3), 1) << "of another bucket, whose kernels can be captured";
  EXPECT_EQ(run(8, 3), 1);
}

// x[n, 4] and rows[m, 4] that are appended to a cache, on a device whose launches are counted.
TEST_F(IdleStepsTest, CapturedGraphsHoldNoIdleLaunch) {
  FakeDevice device;
  EngineMaker maker;
  const Dim m = Dim::symbol("m");
  const int x = maker.input("x", DType::kFloat32, {Dim::symbol("n"), 4});
  const int rows = maker.input("rows", DType::kFloat32, {m, 4});
  const int positions = maker.input("positions", DType::kInt32, {m});
  const int of = maker.input("of", DType::kInt32, {m});
  const int table = maker.input("table", DType::kInt32, {1, 1});
  const auto cache = [&](const char* name) {
    return maker.value(PlanValue::Kind::kState, name, {DType::kFloat32, {1, 1, 8, 4}, true});
  };
  const int k = cache("k");
  const std::vector<int> kept =
      maker.step("kv_append", {}, {rows, rows, k, cache("v"), positions, of, table}, 2);
  maker.output(maker.step("relu", {}, {x})[0], "y");
  for (int token : kept) maker.output(token, fmt::format("token {}", token));
  ExecutorOptions options;
  options.capture = true;
  Executor executor(maker.finish({{"n", 4}, {"m", 4}}), device, options);
  std::vector<int32_t> zero = {0};
  executor.set_input("table", host_view(zero, {1, 1}));
  const auto run = [&](int64_t count) {
    std::vector<float> values = ramp(static_cast<size_t>(count * 4), 1, 1), one(4, 1.0f);
    std::vector<int32_t> at(static_cast<size_t>(count)), none(at);
    for (size_t i = 0; i < at.size(); ++i) at[i] = static_cast<int32_t>(i);
    executor.set_input("x", host_view(one, {1, 4}));
    executor.set_input("rows", host_view(values, {count, 4}));
    executor.set_input("positions", host_view(at, {count}));
    executor.set_input("of", host_view(none, {count}));
    const int before = device.launches;
    executor.run();
    return device.launches - before;
  };
  std::vector<std::byte> memory;
  const auto keys = [&] { return floats_of(executor.fetch(executor.state("k"), memory)); };
  EXPECT_EQ(run(2), 2);
  const std::vector<float> written = keys();
  EXPECT_EQ(written[5], 6);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(run(0), 1) << i;
  EXPECT_GE(device.captures, 1);
  EXPECT_GE(device.replays, 3);
  EXPECT_EQ(keys(), written);
  EXPECT_EQ(run(2), 2);
  EXPECT_THAT(device.violations, IsEmpty());
}

// A step of one input and one output of these shapes, in a bucket.
bool idle_in(const char* op, SymShape shape, const Bucket& bucket, Attrs attrs = {}) {
  EngineMaker maker;
  const int x = maker.input("x", DType::kFloat32, std::move(shape));
  maker.output(maker.step(op, std::move(attrs), {x})[0], "y");
  const auto engine = maker.finish({});
  return is_idle_in(engine->plan, engine->plan.steps[0], bucket);
}

TEST_F(IdleStepsTest, OnlySizesThatAreZeroInEveryRunCount) {
  const Dim m = Dim::symbol("m"), n = Dim::symbol("n");
  const Bucket none = {{"m", 0}, {"n", 4}};
  EXPECT_TRUE(idle_in("relu", {m, 8}, none));
  EXPECT_TRUE(idle_in("relu", {8, m * Dim(3)}, none));
  EXPECT_FALSE(idle_in("relu", {n, 8}, none));
  EXPECT_FALSE(idle_in("relu", {m + Dim(1), 8}, none));
  EXPECT_FALSE(idle_in("relu", {Dim(4) - n, 8}, none)) << "a smaller n leaves some";
  EXPECT_FALSE(idle_in("relu", {m, 8}, {{"n", 4}})) << "m may be anything";
  EXPECT_TRUE(idle_in("relu", {m, n}, none));
}

TEST_F(IdleStepsTest, ResultsOfNothingAndMeetingsAreNotIdle) {
  const Dim m = Dim::symbol("m");
  const Attrs all = {{"axes", std::vector<int64_t>{0}}, {"keep_dims", false}};
  EXPECT_FALSE(idle_in("reduce_sum", {m, 8}, {{"m", 0}}, all)) << "a sum of nothing is 0";
  EXPECT_FALSE(idle_in("test_idle_meeting", {m, 8}, {{"m", 0}})) << "other ranks wait";
}

}  // namespace idle_steps_test
}  // namespace ingot
