#include "engine/memory.h"

#include "tests/engine/small_engine.h"

namespace ingot {
namespace {

TEST(MemoryTest, LifetimesAndViews) {
  const auto engine = gated_engine();
  const MemoryPlan memory = plan_memory(engine->plan, {{"tokens", 10}});
  // Only the linear's result and y own memory: the halves are views.
  ASSERT_EQ(memory.values.size(), 2u);
  EXPECT_EQ(engine->plan.values[static_cast<size_t>(memory.values[0])].name, "linear_2");
  EXPECT_EQ(memory.items[0].bytes, 10 * 8 * 4);
  EXPECT_EQ(memory.items[0].first, 0);
  EXPECT_EQ(memory.items[0].last, 2) << "a view's reader keeps its storage alive";
  EXPECT_EQ(memory.items[1].first, 2);
  EXPECT_EQ(memory.items[1].last, 3) << "outputs live past the last step";
  EXPECT_EQ(memory.layout.bound, 10 * 8 * 4 + 10 * 4 * 4);
  EXPECT_EQ(memory_text(engine->plan, memory),
            "arena 512 bound 480\nlinear_2 320 0 2 0\ny 160 2 3 320\n");
}

TEST(MemoryTest, SizesFollowTheLimits) {
  const ValueType type{DType::kFloat16, {Dim::symbol("n"), 3}};
  EXPECT_EQ(bytes_at(type, {{"n", 5}}), 30);
  EXPECT_EQ(bytes_at(type, {{"n", 0}}), 0);
  EXPECT_EQ(bytes_at(type, {{"m", 5}}), std::nullopt);
}

TEST(MemoryTest, SizesPastMemoryAreRefused) {
  const ValueType type{DType::kFloat32, {Dim::symbol("n"), Dim::symbol("n")}};
  EXPECT_THROW(bytes_at(type, {{"n", int64_t{1} << 31}}), Error);
  EXPECT_THROW(bytes_at(type, {{"n", int64_t{1} << 33}}), Error);  // the product wraps
  const ValueType negative{DType::kFloat32, {Dim::symbol("n") - Dim(4)}};
  EXPECT_THROW(bytes_at(negative, {{"n", 3}}), Error);
}

TEST(MemoryTest, ValuesWithoutALimitAreDynamic) {
  const auto engine = gated_engine();
  const MemoryPlan memory = plan_memory(engine->plan, {});
  EXPECT_EQ(memory.dynamic.size(), 2u);
  EXPECT_TRUE(memory.values.empty());
}

}  // namespace
}  // namespace ingot
