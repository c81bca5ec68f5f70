#include "compiler/tune_neighbour.h"

#include <gtest/gtest.h>

#include "tensor/device.h"

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

TEST(TuneNeighbour, gpu_IsMeasuredOnce) {
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
  EXPECT_EQ(neighbour.microseconds(*timer), first);
}

}  // namespace
}  // namespace ingot
