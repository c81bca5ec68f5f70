#include "compiler/tune_neighbour.h"

#include <gtest/gtest.h>

#include "tests/contracts/fake_device.h"

namespace ingot {
namespace {

TEST(TuneNeighbour, NoneWhereStepsAreTimedOneByOne) {
  const auto device = open_device("cpu");
  const auto stream = device->make_stream();
  TuneNeighbour neighbour(*device, *stream);
  EXPECT_FALSE(neighbour.present());
  neighbour.launch();
  const auto timer = device->make_timer();
  EXPECT_EQ(neighbour.microseconds(*timer), 0);
}

// On a device that captures: one launch first, then a graph of 32 that runs six times. The device
// looks at each launch's operands.
TEST(TuneNeighbour, IsANormThatIsTimedInAGraph) {
  FakeDevice device;
  device.activate();
  {
    const auto stream = device.make_stream();
    TuneNeighbour neighbour(device, *stream);
    ASSERT_TRUE(neighbour.present());
    const auto timer = device.make_timer();
    neighbour.microseconds(*timer);
    neighbour.microseconds(*timer);
    stream->synchronize();
    EXPECT_EQ(device.captures, 1);
    EXPECT_EQ(device.replays, 6);
    EXPECT_EQ(device.launches, 1 + 6 * 32);
    device.faulty_op = "rms_norm";
    neighbour.launch();
    EXPECT_THROW(stream->synchronize(), Error) << "another operator";
  }
  EXPECT_EQ(device.violations, std::vector<std::string>{});
}

TEST(TuneNeighbour, gpu_IsShortAndMeasuredOnce) {
  std::unique_ptr<Device> device;
  try {
    device = open_device("cuda:0");
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  const auto stream = device->make_stream();
  const auto timer = device->make_timer();
  TuneNeighbour neighbour(*device, *stream);
  ASSERT_TRUE(neighbour.present());
  const double first = neighbour.microseconds(*timer);
  EXPECT_GT(first, 0);
  EXPECT_LT(first, 1000);
  EXPECT_EQ(neighbour.microseconds(*timer), first);
}

}  // namespace
}  // namespace ingot
