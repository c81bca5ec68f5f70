// Kernels that plan a step on the host see the plan's integer inputs there: where the device lies
// in the host's memory the input itself, elsewhere a copy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/contracts/fake_device.h"
#include "tests/engine/small_engine.h"

namespace ingot {
namespace {

struct SeenOnHost {
  std::vector<int32_t> values;
  Shape shape;
  const std::byte* data = nullptr;
  const std::byte* launched = nullptr;  // the operand's own address
  bool floats = false;                  // whether a float input was shown too
} seen;

const OpDef& host_probe_op() {
  static const OpDef def = {
      .name = "probe_host_inputs",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .reference = [](const OpArgs&) { FAIL() << "a kernel should have run"; }};
  return def;
}

class HostProbe final : public KernelInstance {
 public:
  void step(const StepInfo& info) override {
    const TensorView* ids = info.host_input("ids");
    ASSERT_NE(ids, nullptr);
    seen.data = ids->data;
    seen.shape = ids->shape;
    seen.values.assign(ids->as<int32_t>(), ids->as<int32_t>() + ids->elements());
    seen.floats = info.host_input("x") != nullptr;
  }
  void launch(const LaunchArgs& args, ExecContext&) override {
    seen.launched = args.inputs[1].data;
  }
};

std::unique_ptr<KernelInstance> prepare_probe(const KernelDesc&, std::string_view) {
  return std::make_unique<HostProbe>();
}

class HostInputs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    static const KernelDef cpu = {.name = "probe_host_inputs_cpu",
                                  .op = "probe_host_inputs",
                                  .device = "cpu",
                                  .prepare = prepare_probe};
    static const KernelDef fake = {.name = "probe_host_inputs_fake",
                                   .op = "probe_host_inputs",
                                   .device = "fake",
                                   .prepare = prepare_probe};
    register_op(host_probe_op());
    register_kernel(cpu);
    register_kernel(fake);
  }

  // x[tokens], ids[tokens] -> y[tokens]
  static std::shared_ptr<Engine> engine() {
    EngineMaker maker;
    const Dim tokens = Dim::symbol("tokens");
    const int x = maker.input("x", DType::kFloat32, {tokens});
    const int ids = maker.input("ids", DType::kInt32, {tokens});
    maker.output(maker.step("probe_host_inputs", {}, {x, ids})[0], "y");
    return maker.finish({{"tokens", 8}});
  }

  static void run(Executor& executor, std::vector<int32_t> ids) {
    const auto count = static_cast<int64_t>(ids.size());
    std::vector<float> x(ids.size());
    executor.set_input("x", host_view(x, {count}));
    executor.set_input("ids", host_view(ids, {count}));
    std::fill(ids.begin(), ids.end(), -1);  // the caller's memory may change
    executor.run();
  }
};

TEST_F(HostInputs, AreTheInputsThemselvesWhereTheHostSeesThem) {
  const auto device = make_cpu_device(1);
  Executor executor(engine(), *device);
  for (const std::vector<int32_t>& ids :
       {std::vector<int32_t>{7, 8, 9}, {1, 2, 3}, {4}, {5, 6}, {5, 6}}) {
    seen = {};
    run(executor, ids);
    EXPECT_EQ(seen.values, ids);
    EXPECT_EQ(seen.shape, Shape{static_cast<int64_t>(ids.size())});
    EXPECT_EQ(seen.data, seen.launched) << "no copy";
    EXPECT_FALSE(seen.floats);
  }
}

TEST_F(HostInputs, AreCopiesOfWhatOnlyTheDeviceSees) {
  FakeDevice device;
  Executor executor(engine(), device);
  const std::byte* first = nullptr;
  for (const std::vector<int32_t>& ids :
       {std::vector<int32_t>{7, 8, 9}, {1, 2, 3}, {4}, {5, 6}, {5, 6}}) {
    seen = {};
    run(executor, ids);
    EXPECT_EQ(seen.values, ids);
    EXPECT_NE(seen.data, seen.launched);
    if (!first) first = seen.data;
    EXPECT_EQ(seen.data, first) << "its memory is kept from step to step";
  }
  EXPECT_THAT(device.violations, testing::IsEmpty());
}

// An input that has the shape of its last time still says what its symbols are.
TEST_F(HostInputs, AShapeSeenBeforeCountsAgain) {
  const auto device = make_cpu_device(1);
  Executor executor(engine(), *device);
  run(executor, {1, 2});
  std::vector<int32_t> one = {3}, two = {4, 5};
  executor.set_input("ids", host_view(one, {1}));
  executor.set_input("ids", host_view(two, {2}));
  executor.run();
  EXPECT_EQ(seen.values, two);
  executor.set_symbol("tokens", 1);
  executor.set_input("ids", host_view(two, {2}));
  executor.run();
  EXPECT_EQ(seen.values, two);
}

// Its events write down when they were recorded, and how long ago when somebody waits.
class MarkedDevice final : public FakeDevice {
 public:
  std::unique_ptr<Event> make_event() override { return std::make_unique<Mark>(*this); }
  std::vector<int> waited;  // for the record so many before the last one

 private:
  struct Mark final : Event {
    explicit Mark(MarkedDevice& d) : device(d) {}
    void record(Stream&) override { number = ++device.recorded_; }
    void synchronize() override {
      if (number > 0) device.waited.push_back(device.recorded_ - number);
    }
    MarkedDevice& device;
    int number = 0;
  };
  int recorded_ = 0;
};

TEST_F(HostInputs, ARunWaitsForNoneOfThoseThatMayBeUnderWay) {
  for (const size_t ahead : {1, 2, 5}) {
    MarkedDevice device;
    ExecutorOptions options;
    options.runs_ahead = ahead;
    Executor executor(engine(), device, options);
    for (int32_t i = 0; i < 12; ++i) {
      std::vector<int32_t> ids = {i};
      std::vector<float> x = {0};
      executor.set_input("x", host_view(x, {1}));
      executor.set_input("ids", host_view(ids, {1}));
      executor.submit(false);
      EXPECT_EQ(seen.values, ids);
    }
    EXPECT_EQ(device.waited, std::vector<int>(12 - ahead, static_cast<int>(ahead)));
  }
}

}  // namespace
}  // namespace ingot
