// A device with a clock that the test turns: busy and waiting time by hand, and of a real runner.
#include "runtime/step_clock.h"

#include <gtest/gtest.h>

#include "runtime/engine_runner.h"
#include "runtime/loop.h"
#include "tests/contracts/fake_device.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace step_clock_test {

// Time passes where the test says so. A stream is work that ends at `free_at`.
struct Simulation {
  double now = 0;  // the host's
};

class SimulatedStream final : public Stream {
 public:
  explicit SimulatedStream(Simulation& simulation) : simulation_(simulation) {}
  void synchronize() override { simulation_.now = passed(); }
  // When what is queued now will be done.
  double passed() const { return std::max(simulation_.now, free_at_); }
  void work(double microseconds) { free_at_ = passed() + microseconds; }

 private:
  Simulation& simulation_;
  double free_at_ = 0;
};

class SimulatedTimer final : public DeviceTimer {
 public:
  void start(Stream& stream) override { begin_ = at(stream); }
  void stop(Stream& stream) override { end_ = at(stream); }
  double microseconds() override { return end_ - begin_; }

 private:
  static double at(Stream& stream) { return static_cast<SimulatedStream&>(stream).passed(); }
  double begin_ = 0, end_ = 0;
};

class SimulatedDevice final : public Device {
 public:
  std::string_view kind() const override { return "simulated"; }
  std::string identity() const override { return "simulated:1"; }
  bool host_visible() const override { return false; }
  std::byte* allocate(size_t) override { return nullptr; }
  void release(std::byte*, size_t) noexcept override {}
  void copy_in(std::byte*, const std::byte*, size_t, Stream&) override {}
  void copy_out(std::byte*, const std::byte*, size_t, Stream&) override {}
  std::unique_ptr<Stream> make_stream() override {
    return std::make_unique<SimulatedStream>(simulation);
  }
  std::unique_ptr<DeviceTimer> make_timer() override { return std::make_unique<SimulatedTimer>(); }
  Simulation simulation;
};

struct Sums {
  size_t steps = 0;
  double busy = 0;
  double waited = 0;
  std::vector<double> waits;  // of steps that have one before them
};

Sums sums(const std::vector<StepTime>& times) {
  Sums out;
  for (const StepTime& time : times) {
    ++out.steps;
    out.busy += time.span_us - time.waited_us;
    out.waited += time.waited_us;
    if (!time.first) out.waits.push_back(time.waited_us);
  }
  return out;
}

class StepClockTest : public testing::Test {
 protected:
  // The host takes `host` for each piece, the device `device`.
  void step(double host, double device) {
    clock_.begin();
    for (size_t piece = 0; piece < StepClock::kPieces; ++piece) {
      device_.simulation.now += host;
      stream_.work(device);
      clock_.queued();
    }
    clock_.end();
  }

  SimulatedDevice device_;
  SimulatedStream stream_{device_.simulation};
  StepClock clock_{device_, stream_};
};

TEST_F(StepClockTest, AHostAheadLeavesNoWait) {
  for (int i = 0; i < 10; ++i) step(10, 500);
  const Sums times = sums(clock_.take());
  EXPECT_EQ(times.steps, 10u);
  EXPECT_EQ(times.waits, std::vector<double>(9, 0.0)) << "the first has no step before it";
  EXPECT_DOUBLE_EQ(times.waited, 10) << "until the first step's first piece was there";
  EXPECT_DOUBLE_EQ(times.busy, 10 * 2 * 500);
}

TEST_F(StepClockTest, ASlowHostIsSeen) {
  step(10, 500);                  // queued at 20, done at 1010
  device_.simulation.now = 1100;  // a wait of 90 ...
  step(30, 100);                  // ... and 30, done at 1230; then until 1160: none; ends at 1330
  device_.simulation.now = 1310;  // still running
  step(30, 100);                  // 10 of the 30: from 1330 to 1340; ends at 1540
  step(200, 5);                   // queued at 1570 and 1770: 30, then 195
  const Sums times = sums(clock_.take());
  EXPECT_EQ(times.waits, (std::vector<double>{120, 10, 225}));
  EXPECT_DOUBLE_EQ(times.waited, 10 + 120 + 10 + 225);
  EXPECT_DOUBLE_EQ(times.busy, 1000 + 200 + 200 + 10);
}

// A step that failed half-way leaves its time to the next one.
TEST_F(StepClockTest, AStepThatWasNotEndedIsForgotten) {
  step(10, 100);  // done at 210
  clock_.begin();
  device_.simulation.now = 300;
  clock_.queued();
  step(10, 100);  // at 310: 100 too late
  const Sums times = sums(clock_.take());
  EXPECT_EQ(times.steps, 2u);
  EXPECT_EQ(times.waits, std::vector<double>{100});
  EXPECT_DOUBLE_EQ(times.busy, 400);
}

TEST_F(StepClockTest, RestartLeavesTheTimeBetweenOut) {
  step(10, 100);
  device_.simulation.now = 5000;
  clock_.restart();
  step(10, 100);
  step(10, 100);
  const Sums times = sums(clock_.take());
  EXPECT_EQ(times.steps, 2u);
  EXPECT_EQ(times.waits, std::vector<double>{0});
  EXPECT_DOUBLE_EQ(times.busy, 400);
  EXPECT_TRUE(clock_.take().empty()) << "taken once";
}

TEST(StepClockOfARunner, CountsItsStepsAndNothingOnAHost) {
  const auto steps_of = [](Device& device, bool reference) {
    EngineRunnerOptions options;
    options.kv_pages = 8;
    options.executor.selection.reference = reference;
    EngineRunner runner(tiny_engine(), device, options);
    SteadyClock clock;
    Loop loop(runner, {}, clock);
    Request request;
    request.prompt = {1, 2, 3};
    request.sampling.max_tokens = 7;
    request.sampling.ignore_eos = true;
    runner.time_steps();
    loop.generate(std::move(request), [](const TokenEvent&) { return true; });
    const Sums times = sums(runner.take_step_times());
    EXPECT_TRUE(runner.take_step_times().empty());
    if (!device.host_visible()) {
      EXPECT_EQ(times.steps, static_cast<size_t>(loop.scheduler().stats().steps));
      EXPECT_EQ(times.waits.size(), times.steps - 1);
    }
    return times.steps;
  };
  FakeDevice apart;
  EXPECT_EQ(steps_of(apart, false), 7u);
  EXPECT_EQ(steps_of(*make_cpu_device(1), true), 0u);
}

}  // namespace step_clock_test
}  // namespace ingot
