#include "compiler/tune_bench.h"

#include <gtest/gtest.h>

#include "tests/compiler/virtual_time.h"
#include "tests/contracts/fake_device.h"

namespace ingot {
namespace {

TEST(TuneBench, TheLowerQuartileOfTimesCounts) {
  EXPECT_EQ(lower_quartile({}), 0);
  EXPECT_EQ(lower_quartile({7}), 7);
  EXPECT_EQ(lower_quartile({9, 2, 8, 3, 7, 1}), 2);
}

TEST(TuneBench, AKernelsTimesAreOfItsSources) {
  const KernelDef& own = *kernels_for("cpu", "rms_norm").front();
  const std::string hash(kernel_source_hash("cpu", own.name));
  EXPECT_EQ(kernel_name(own), std::string(own.name) + " #" + hash);
  EXPECT_EQ(kernel_name({.name = "of_a_plugin", .op = "rms_norm", .device = "cpu"}), "of_a_plugin");
}

TEST(TuneBench, TimesOnTheHostLaunchByLaunch) {
  VirtualTimeCpu device;
  const Engine engine;
  TuneReport report;
  TuneBench bench(engine, device, nullptr, 0, report);
  EXPECT_EQ(bench.time([] { VirtualTimeCpu::spend(20); }), 21);
  EXPECT_EQ(bench.capture([] {}), nullptr);
  bench.check_alive("key", "a kernel");
}

TEST(TuneBench, CapturesAndLeavesCaptureBehindAThrow) {
  FakeDevice device;
  const Engine engine;
  TuneReport report;
  {
    TuneBench bench(engine, device, nullptr, 1, report);
    const int before = device.replays;
    const auto graph = bench.capture([&] { bench.neighbour.launch(); });
    ASSERT_NE(graph, nullptr);
    EXPECT_EQ(device.replays, before + 1) << "its upload is not timed";
    EXPECT_THROW(bench.capture([] { fail(ErrorCode::kInternal, "test", "no"); }), Error);
    EXPECT_NE(bench.capture([&] { bench.neighbour.launch(); }), nullptr);
  }
  EXPECT_EQ(device.violations, std::vector<std::string>{});
}

TEST(TuneBench, ShareOfTheTimeIsOverBeforeAllOfIt) {
  VirtualTimeCpu device;
  const Engine engine;
  TuneReport report;
  EXPECT_TRUE(TuneBench(engine, device, nullptr, 0, report).out_of_time());
  const TuneBench bench(engine, device, nullptr, 1e9, report);
  EXPECT_FALSE(bench.out_of_time());
  EXPECT_FALSE(bench.out_of_time(0.5));
  EXPECT_TRUE(bench.out_of_time(0));
}

// The key of what broke the device is refused from then on.
TEST(TuneBench, ADeviceThatDoesNotWorkIsLost) {
  struct Broken final : FakeDevice {
    void copy_out(std::byte* dst, const std::byte* src, size_t size, Stream& stream) override {
      if (broken) fail(ErrorCode::kInternal, "test", "illegal access");
      FakeDevice::copy_out(dst, src, size, stream);
    }
    bool broken = false;
  } device;
  const Engine engine;
  TuneReport report;
  TimingCache timings;
  TuneBench bench(engine, device, &timings, 1, report);
  bench.check_alive("key", "a kernel");
  EXPECT_FALSE(timings.find("key"));
  device.broken = true;
  EXPECT_THROW(bench.check_alive("key", "a kernel"), DeviceLost);
  EXPECT_EQ(timings.find("key"), TimingCache::kRefused);
}

}  // namespace
}  // namespace ingot
