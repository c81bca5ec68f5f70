#include "engine/adapters.h"

#include "tests/engine/small_engine.h"

namespace ingot {
namespace {

// y[tokens, 8] = x w^T, w in two pieces of four rows.
std::shared_ptr<Engine> linear_engine() {
  EngineMaker maker;
  const int x = maker.input("x", DType::kFloat32, {Dim::symbol("tokens"), 8});
  const int w = maker.weight("w", {8, 8}, {4, 4});
  maker.output(maker.step("linear", {}, {x, w})[0], "y");
  return maker.finish({{"tokens", 4}});
}

std::vector<float> run(std::shared_ptr<const Engine> engine, std::vector<Adapter> adapters) {
  auto device = make_cpu_device(1);
  ExecutorOptions options;
  options.adapters = std::move(adapters);
  Executor executor(std::move(engine), *device, options);
  std::vector<float> x = ramp(16, -1, 0.25f);
  executor.set_input("x", host_view(x, {2, 8}));
  executor.run();
  return floats_of(executor.output(0));
}

TEST(AdaptersTest, TouchesThePieceItNames) {
  std::vector<float> a = ramp(16, 0.1f, 0.05f), b = ramp(8, -0.2f, 0.1f);
  const Adapter adapter{"w.1", host_view(a, {2, 8}), host_view(b, {4, 2}), 0.5};
  const auto engine = linear_engine();
  const auto plain = run(engine, {}), adapted = run(engine, {adapter});
  EXPECT_EQ(run(engine, {}), plain) << "the shared engine is not changed";
  const std::vector<float> x = ramp(16, -1, 0.25f);
  for (size_t t = 0; t < 2; ++t) {
    for (size_t n = 0; n < 8; ++n) {
      double delta = 0;
      for (size_t r = 0; n >= 4 && r < 2; ++r) {
        double low = 0;
        for (size_t k = 0; k < 8; ++k) low += double{x[t * 8 + k]} * double{a[r * 8 + k]};
        delta += 0.5 * low * double{b[(n - 4) * 2 + r]};
      }
      EXPECT_NEAR(adapted[t * 8 + n], double{plain[t * 8 + n]} + delta, 1e-4) << t << "," << n;
    }
  }
  EXPECT_NE(adapted, plain);
}

TEST(AdaptersTest, SeveralAddUp) {
  std::vector<float> a = ramp(8, 0.1f, 0.05f), b = ramp(4, -0.2f, 0.1f);
  const Adapter first{"w.0", host_view(a, {1, 8}), host_view(b, {4, 1}), 1};
  const Adapter second{"w.1", host_view(a, {1, 8}), host_view(b, {4, 1}), 1};
  const Adapter twice{"w.0", host_view(a, {1, 8}), host_view(b, {4, 1}), 2};
  const auto both = run(linear_engine(), {first, second, first});
  const auto other = run(linear_engine(), {twice, second});
  for (size_t i = 0; i < both.size(); ++i) EXPECT_NEAR(both[i], other[i], 1e-5);
}

TEST(AdaptersTest, WhatDoesNotFitIsRefused) {
  std::vector<float> a(64), b(64);
  const auto view = [&](std::vector<float>& v, Shape s) { return host_view(v, std::move(s)); };
  expect_error(
      [&] {
        run(linear_engine(), {{"w", view(a, {2, 8}), view(b, {4, 2}), 1}});
      },
      ErrorCode::kInvalidArgument, {"'w'", "no linear layer"});
  expect_error(
      [&] {
        run(linear_engine(), {{"w.0", view(a, {2, 7}), view(b, {4, 2}), 1}});
      },
      ErrorCode::kInvalidArgument, {"a [2, 7]", "b [4, 2]"});
  expect_error(
      [&] {
        run(linear_engine(), {{"w.0", view(a, {2, 8}), view(b, {8, 2}), 1}});
      },
      ErrorCode::kInvalidArgument, {"b [8, 2]"});
  expect_error(
      [&] {
        run(linear_engine(), {{"w.0", view(a, {2, 8}), view(b, {4, 3}), 1}});
      },
      ErrorCode::kInvalidArgument, {"b [4, 3]"});
}

}  // namespace
}  // namespace ingot
