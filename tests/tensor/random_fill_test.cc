#include "tensor/random_fill.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "base/thread_team.h"
#include "tensor/device.h"

namespace ingot {
namespace {

constexpr RandomFill kFill = {42, 0.5f, 0};

std::vector<std::byte> filled(DType type, int64_t first, int64_t count, const RandomFill& fill,
                              ThreadTeam* team = nullptr) {
  std::vector<std::byte> out(static_cast<size_t>(count) * dtype_size(type));
  fill_random_host(out.data(), type, first, count, fill, team);
  return out;
}

TEST(RandomFill, FollowsTheStatedFormula) {
  for (uint64_t i : {0ull, 1ull, 77ull, 1ull << 40}) {
    const auto k = static_cast<int64_t>(random_u64(42, i) >> 40) - (1 << 23);
    EXPECT_EQ(random_fill_value(kFill, i), 0.5f * std::ldexp(static_cast<float>(k), -23));
  }
  EXPECT_EQ(random_fill_value({7, 0, 1}, 3), 1.0f);
}

TEST(RandomFill, SameBitsForEqualSeedsWhateverTheTeamOrTheCut) {
  constexpr int64_t kCount = 200'001;  // several chunks, an odd end
  ThreadTeam team(3);
  for (DType type : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    const auto whole = filled(type, 0, kCount, kFill);
    EXPECT_EQ(filled(type, 0, kCount, kFill, &team), whole);
    const auto tail = filled(type, 1000, kCount - 1000, kFill);
    const auto skip = static_cast<std::ptrdiff_t>(1000 * dtype_size(type));
    EXPECT_TRUE(std::equal(tail.begin(), tail.end(), whole.begin() + skip));
    EXPECT_NE(filled(type, 0, kCount, {43, 0.5f, 0}), whole);
  }
}

TEST(RandomFill, ShortTypesAreTheRoundedFloats) {
  const auto wide = filled(DType::kFloat32, 0, 1000, kFill);
  const auto bf16 = filled(DType::kBFloat16, 0, 1000, kFill);
  const auto f16 = filled(DType::kFloat16, 0, 1000, kFill);
  for (size_t i = 0; i < 1000; ++i) {
    const float x = reinterpret_cast<const float*>(wide.data())[i];
    EXPECT_EQ(reinterpret_cast<const uint16_t*>(bf16.data())[i], f32_to_bf16(x));
    EXPECT_EQ(reinterpret_cast<const uint16_t*>(f16.data())[i], f32_to_f16(x));
  }
}

TEST(RandomFill, IsUniform) {
  constexpr int64_t kCount = 100'000;
  const auto bytes = filled(DType::kFloat32, 0, kCount, kFill);
  const auto* x = reinterpret_cast<const float*>(bytes.data());
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < kCount; ++i) {
    ASSERT_GE(x[i], -0.5f);
    ASSERT_LT(x[i], 0.5f);
    sum += x[i];
    squares += static_cast<double>(x[i]) * x[i];
  }
  EXPECT_NEAR(sum / kCount, 0, 5e-3);
  EXPECT_NEAR(std::sqrt(squares / kCount), 0.5 / std::sqrt(3.0), 2e-3);
}

// Every device of this machine, GPUs where there are some, gives the host's bits.
TEST(RandomFill, DevicesAgree) {
  constexpr int64_t kCount = 100'003;
  for (const DeviceDef* def : tensor_device_list()) {
    for (const DeviceInfo& info : def->list()) {
      const auto device = open_device(info.name);
      const auto stream = device->make_stream();
      for (DType type : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
        const auto expected = filled(type, 0, kCount, kFill);
        std::byte* data = device->allocate(expected.size());
        device->fill_random(data, type, kCount, kFill, *stream);
        std::vector<std::byte> found(expected.size());
        device->copy_out(found.data(), data, found.size(), *stream);
        stream->synchronize();
        device->release(data, expected.size());
        EXPECT_EQ(found, expected) << info.name << " " << dtype_name(type);
      }
    }
  }
}

}  // namespace
}  // namespace ingot
