// The tuner against kernels that lie, throw or are slow.
#include "compiler/tune.h"

#include <atomic>

#include "engine/executor.h"
#include "engine/selection.h"
#include "graph/text.h"
#include "tests/compiler/virtual_time.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

using testing::Contains;
using testing::HasSubstr;

std::atomic<int> honest_launches = 0;
bool short_of_memory = false;  // kernels have none to start with

void multiply(const LaunchArgs& args, float error) {
  ++honest_launches;
  const TensorView& x = args.inputs[0];
  const TensorView& out = args.outputs[0];
  std::vector<float> row(static_cast<size_t>(x.columns()));
  for (int64_t r = 0; r < x.rows(); ++r) {
    load_row(x, r, 0, x.columns(), row.data());
    for (float& v : row) v = v + v + error;
    store_row(out, r, 0, x.columns(), row.data());
  }
}

// An operator of this test's own: y = 2 x. Its reference is quick, its kernels are below.
const OpDef& twice_op() {
  static const OpDef op = {
      .name = "test_twice",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .reference =
          [](const OpArgs& args) {
            const TensorView views[] = {args.inputs[0]};
            multiply({views, args.outputs, {}}, 0);
          }};
  return op;
}

constexpr double kSeconds = 600;  // that a tuning may take: none of these ends for want of them

// 0 honest, 1 wrong, 2 throws in prepare, 3 throws in launch, 4 slow (8 ms), 5 less so (0.5 ms)
template <int kKind>
KernelDef twice_kernel(std::string_view name, int priority) {
  return {.name = name,
          .op = "test_twice",
          .device = "cpu",
          .invariant = kKind == 4 || kKind == 5,
          .priority = priority,
          .prepare = [](const KernelDesc&, std::string_view) -> std::unique_ptr<KernelInstance> {
            if (kKind == 2) fail(ErrorCode::kUnsupported, "test", "no plan for this shape");
            if (short_of_memory && kKind == 5) throw std::bad_alloc();
            if (short_of_memory) fail(ErrorCode::kOutOfMemory, "test", "no memory");
            return make_instance([](const LaunchArgs& args, ExecContext&) {
              if (kKind == 3) fail(ErrorCode::kInternal, "test", "launch fell over");
              if (kKind == 4) VirtualTimeCpu::spend(8000);
              if (kKind == 5) VirtualTimeCpu::spend(500);
              multiply(args, kKind == 1 ? 0.5f : 0);
            });
          }};
}

class TuneTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    register_op(twice_op());
    // The wrong one is the heuristics' first choice.
    static const KernelDef wrong = twice_kernel<1>("test_twice_wrong", 9);
    static const KernelDef prepare = twice_kernel<2>("test_twice_prepare", 8);
    static const KernelDef launch = twice_kernel<3>("test_twice_launch", 7);
    static const KernelDef slow = twice_kernel<4>("test_twice_slow", 4);
    static const KernelDef honest = twice_kernel<0>("test_twice_honest", 5);
    static const KernelDef steady = twice_kernel<5>("test_twice_steady", 4);
    for (const KernelDef* kernel : {&wrong, &prepare, &launch, &slow, &honest, &steady}) {
      register_kernel(*kernel);
    }
  }
  static std::shared_ptr<Engine> engine() {
    auto graph = parse_graph(
        "graph main\n"
        "  limit tokens = 4\n"
        "  input %x : float32[tokens, 64]\n"
        "  %a = test_twice(%x) : float32[tokens, 64]\n"
        "  %y = test_twice(%a) : float32[tokens, 64]\n"
        "  return %y\n");
    CompileOptions options;
    options.buckets = {{{"tokens", 4}}};
    return compile(*graph, options);
  }
  std::unique_ptr<Device> device_ = std::make_unique<VirtualTimeCpu>();
};

TEST_F(TuneTest, LiarsAndThrowersAreSkippedAndReported) {
  TuneReport report;
  const auto e = engine();
  const DeviceSection section = tune(*e, *device_, nullptr, kSeconds, report);
  EXPECT_EQ(report.descriptors, 1);
  EXPECT_EQ(report.timed, 6);
  ASSERT_EQ(section.choices.size(), 2u) << "one more for invariant mode";
  const KernelChoice& choice = section.choices.begin()->second;
  EXPECT_EQ(choice.kernel, "test_twice_honest");
  EXPECT_GT(choice.microseconds, 0);
  const Json& details = report.details[0];
  const std::string rejected = details["rejected"].dump();
  EXPECT_THAT(rejected, HasSubstr("test_twice_wrong : its result differs"));
  EXPECT_THAT(rejected, HasSubstr("no plan for this shape"));
  EXPECT_THAT(rejected, HasSubstr("launch fell over"));
  EXPECT_EQ(details["candidates"].size(), 3u) << "the slow ones were measured too";
  EXPECT_THAT(details["winner"].get<std::string>(), HasSubstr("test_twice_honest"));

  // Binding reads the winner.
  e->devices = {section};
  Executor executor(e, *device_);
  std::vector<float> x(64, 1.5f);
  executor.set_input("x", {DType::kFloat32, {1, 64}, reinterpret_cast<std::byte*>(x.data())});
  executor.run();
  EXPECT_EQ(executor.output("y").as<float>()[0], 6.f);
  EXPECT_THAT(executor.kernels_used(), testing::ElementsAre("test_twice_honest"));
}

// The fastest kernel is not invariant, and heuristics would take another invariant one: what runs
// in invariant mode was found among the tuned choices.
TEST_F(TuneTest, InvariantModeFindsTheFastestInvariantKernel) {
  TuneReport report;
  const auto e = engine();
  const DeviceSection section = tune(*e, *device_, nullptr, kSeconds, report);
  ASSERT_EQ(section.choices.size(), 2u);
  const auto bound = [&](bool invariant) {
    const KernelDesc desc =
        describe(e->plan, e->plan.steps[0], e->plan.buckets[0], e->plan.limits, {1}, invariant);
    return select_kernel(desc, "cpu", &section, {.invariant = invariant});
  };
  EXPECT_EQ(bound(false).kernel->name, "test_twice_honest");
  EXPECT_EQ(bound(true).kernel->name, "test_twice_steady");
  EXPECT_TRUE(bound(true).tuned);
  e->devices = {section};
  ExecutorOptions options;
  options.selection.invariant = true;
  Executor executor(e, *device_, options);
  std::vector<float> x(64, 1.5f);
  executor.set_input("x", {DType::kFloat32, {1, 64}, reinterpret_cast<std::byte*>(x.data())});
  executor.run();
  EXPECT_THAT(executor.kernels_used(), testing::ElementsAre("test_twice_steady"));
}

TEST_F(TuneTest, AWarmCacheTimesNothing) {
  TimingCache cache;
  TuneReport cold, warm;
  const auto e = engine();
  const DeviceSection first = tune(*e, *device_, &cache, kSeconds, cold);
  EXPECT_EQ(cold.timed, 6);
  EXPECT_EQ(cold.cached, 0);
  ScratchDirectory dir;
  cache.save(dir / "cache");
  TimingCache read = TimingCache::load(dir / "cache");
  const int before = honest_launches;
  const DeviceSection second = tune(*e, *device_, &read, kSeconds, warm);
  EXPECT_EQ(warm.timed, 0);
  EXPECT_EQ(warm.cached, 6);
  EXPECT_EQ(honest_launches, before) << "a kernel ran";
  EXPECT_FALSE(read.changed());
  EXPECT_EQ(second.choices.begin()->second.kernel, first.choices.begin()->second.kernel);
}

// A moment without memory is no property of a kernel: nothing of it stays in the cache.
TEST_F(TuneTest, WhatLackedMemoryIsTimedByTheNextBuild) {
  TimingCache cache;
  TuneReport poor, rich;
  const auto e = engine();
  short_of_memory = true;
  const DeviceSection first = tune(*e, *device_, &cache, kSeconds, poor);
  short_of_memory = false;
  EXPECT_TRUE(first.choices.empty()) << "heuristics choose, and not the reference";
  EXPECT_THAT(poor.details[0]["rejected"].dump(), HasSubstr("no memory"));
  EXPECT_EQ(cache.size(), 1u) << "the one that throws in prepare";
  const DeviceSection second = tune(*e, *device_, &cache, kSeconds, rich);
  ASSERT_FALSE(second.choices.empty());
  EXPECT_EQ(second.choices.begin()->second.kernel, "test_twice_honest");
}

// More rows do not help a kernel that is many times slower already; the cache remembers that too.
TEST_F(TuneTest, HopelessKernelsAreNotTriedWithMoreRows) {
  auto graph = parse_graph(
      "graph main\n  limit tokens = 64\n  input %x : float32[tokens, 4]\n"
      "  %y = test_twice(%x) : float32[tokens, 4]\n  return %y\n");
  CompileOptions options;
  options.buckets = {{{"tokens", 32}}, {{"tokens", 64}}};
  const auto e = compile(*graph, options);
  TimingCache cache;
  TuneReport cold, warm;
  const DeviceSection first = tune(*e, *device_, &cache, kSeconds, cold);
  EXPECT_EQ(cold.timed, 11) << "six, and five on the second bucket";
  EXPECT_THAT(cold.details[1]["rejected"].dump(), HasSubstr("times the fastest with fewer rows"));
  EXPECT_EQ(cold.details[0]["candidates"].size(), 3u);
  EXPECT_EQ(cold.details[1]["candidates"].size(), 2u);
  ScratchDirectory dir;
  cache.save(dir / "cache");
  TimingCache read = TimingCache::load(dir / "cache");
  const DeviceSection second = tune(*e, *device_, &read, kSeconds, warm);
  EXPECT_EQ(warm.timed, 0);
  EXPECT_EQ(warm.cached, 12);
  ASSERT_EQ(second.choices.size(), 4u);
  for (const auto& [desc, choice] : second.choices) {
    const bool invariant = desc.ends_with(" invariant");
    EXPECT_EQ(choice.kernel, invariant ? "test_twice_steady" : "test_twice_honest") << desc;
  }
}

// y = x beside a table, in 1 ms or 4 ms.
const OpDef& context_op() {
  static const OpDef op = {
      .name = "test_context",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .reference =
          [](const OpArgs& args) {
            std::copy_n(args.inputs[0].data, args.inputs[0].bytes(), args.outputs[0].data);
          }};
  return op;
}

template <int kMilliseconds>
KernelDef context_kernel(std::string_view name) {
  return {.name = name,
          .op = "test_context",
          .device = "cpu",
          .invariant = true,
          .prepare = [](const KernelDesc&, std::string_view) -> std::unique_ptr<KernelInstance> {
            return make_instance([](const LaunchArgs& args, ExecContext&) {
              VirtualTimeCpu::spend(1000 * kMilliseconds);
              context_op().reference({args.inputs, args.outputs, {}});
            });
          }};
}

// The same rows with sixteen times the context are not run where that takes long: the choice stays.
TEST_F(TuneTest, LongContextsTakeOverTheChoiceOfShorterOnes) {
  register_op(context_op());
  static const KernelDef slower = context_kernel<4>("test_context_slower");
  static const KernelDef faster = context_kernel<1>("test_context_faster");
  register_kernel(slower);
  register_kernel(faster);
  auto graph = parse_graph(
      "graph main\n  limit keys = 64\n  input %x : float32[2, 4]\n  input %t : int32[keys]\n"
      "  %y = test_context(%x, %t) : float32[2, 4]\n  return %y\n");
  CompileOptions options;
  options.buckets = {{{"keys", 2}}, {{"keys", 4}}, {{"keys", 64}}};
  const auto e = compile(*graph, options);
  TimingCache cache;
  TuneReport cold, warm;
  const DeviceSection first = tune(*e, *device_, &cache, kSeconds, cold);
  EXPECT_EQ(cold.descriptors, 3);
  EXPECT_EQ(cold.timed, 4) << "two tables of a length that is soon walked";
  EXPECT_THAT(cold.details[2].dump(), HasSubstr("taken_over"));
  ASSERT_EQ(first.choices.size(), 6u);
  for (const auto& [desc, choice] : first.choices) {
    EXPECT_EQ(choice.kernel, "test_context_faster") << desc;
    EXPECT_EQ(choice.microseconds > 0, desc.find("[64]") == std::string::npos) << desc;
  }
  const DeviceSection second = tune(*e, *device_, &cache, kSeconds, warm);
  EXPECT_EQ(warm.timed, 0);
  EXPECT_EQ(second.choices, first.choices);
}

// y = 2 x in float32, and each element's number; kernels may be wrong in either.
template <int kWrong>
KernelDef pair_kernel(std::string_view name, int priority) {
  return {.name = name,
          .op = "test_pair",
          .device = "cpu",
          .priority = priority,
          .prepare = [](const KernelDesc&, std::string_view) -> std::unique_ptr<KernelInstance> {
            return make_instance([](const LaunchArgs& args, ExecContext&) {
              multiply({args.inputs, args.outputs.first(1), {}}, kWrong == 0 ? 0.5f : 0);
              for (int64_t i = 0; i < args.outputs[1].elements(); ++i) {
                store_index(args.outputs[1], i, kWrong == 1 ? i / 2 : i);
              }
            });
          }};
}

TEST_F(TuneTest, EveryOutputIsComparedIntegersToo) {
  static const OpDef op = {.name = "test_pair",
                           .infer = [](const InferArgs& args) -> std::vector<ValueType> {
                             return {args.input(0), {DType::kInt32, args.input(0).shape}};
                           },
                           .reference =
                               [](const OpArgs& args) {
                                 multiply({args.inputs, args.outputs.first(1), {}}, 0);
                                 for (int64_t i = 0; i < args.outputs[1].elements(); ++i) {
                                   store_index(args.outputs[1], i, i);
                                 }
                               }};
  static const KernelDef first = pair_kernel<0>("test_pair_first", 9);
  static const KernelDef second = pair_kernel<1>("test_pair_second", 8);
  static const KernelDef honest = pair_kernel<2>("test_pair_honest", 5);
  register_op(op);
  for (const KernelDef* kernel : {&first, &second, &honest}) register_kernel(*kernel);
  auto graph = parse_graph(
      "graph main\n"
      "  input %x : float32[4, 64]\n"
      "  %y, %ids = test_pair(%x) : float32[4, 64], int32[4, 64]\n"
      "  return %y %ids\n");
  TuneReport report;
  const DeviceSection section = tune(*compile(*graph, {}), *device_, nullptr, kSeconds, report);
  ASSERT_FALSE(section.choices.empty());
  EXPECT_EQ(section.choices.begin()->second.kernel, "test_pair_honest");
  const std::string rejected = report.details[0]["rejected"].dump();
  EXPECT_THAT(rejected, HasSubstr("test_pair_first : its result differs"));
  EXPECT_THAT(rejected, HasSubstr("test_pair_second : its result differs"));
}

TEST_F(TuneTest, WithoutBudgetNothingIsTimed) {
  TuneReport report;
  const DeviceSection section = tune(*engine(), *device_, nullptr, 0, report);
  EXPECT_EQ(report.timed, 0);
  EXPECT_TRUE(section.choices.empty()) << "binding uses heuristics";
}

TEST_F(TuneTest, CompileTunesOnlyWithADevice) {
  EXPECT_TRUE(engine()->devices.empty());
  auto graph = parse_graph(
      "graph main\n  input %x : float32[4]\n  %y = test_twice(%x) : "
      "float32[4]\n  return %y\n");
  CompileOptions options;
  options.device = device_.get();
  const auto tuned = compile(*graph, options);
  ASSERT_EQ(tuned->devices.size(), 1u);
  EXPECT_EQ(tuned->devices[0].device, device_->identity());
  const Json report = parse_json(tuned->extras.at("report"), "test", "report");
  EXPECT_EQ(report["tuning"]["timed"], 6);
  EXPECT_TRUE(report.contains("passes"));
}

}  // namespace
}  // namespace ingot
