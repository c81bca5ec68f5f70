#include "tensor/dim.h"

#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

TEST(DimTest, TheSmallestIntegerIsAnError) {
  const Dim half = int64_t{1} << 62;
  const Dim smallest = Dim(0) - half - half;
  EXPECT_EQ(smallest.constant(), INT64_MIN);
  EXPECT_EQ(smallest.text(), "-9223372036854775808");
  for (auto divide : {&Dim::floor_div, &Dim::ceil_div}) {
    expect_error([&] { divide(smallest, Dim(-1)); }, ErrorCode::kInvalidArgument,
                 {"tensor/dim", "2^62"});
  }
  // As an engine file may hold it.
  expect_error([] { Dim::parse("floor(-4611686018427387904 - 4611686018427387904, -1)"); },
               ErrorCode::kInvalidArgument, {"tensor/dim"});
  const Dim product = Dim::symbol("n") * Dim(INT64_MIN);
  expect_error([&] { product.evaluate({{"n", 1}}); }, ErrorCode::kInvalidArgument, {"2^62"});
}

// Each would take more memory than there is.
TEST(DimTest, ExpressionsAreBounded) {
  Dim sums = 1;
  const auto multiply = [&] {
    for (int i = 0; i < 40; ++i) sums = sums * (Dim::symbol(fmt::format("n{}", i)) + Dim(2));
  };
  expect_error(multiply, ErrorCode::kUnsupported, {"tensor/dim", "1024 terms"});

  Dim nested = Dim::symbol("n");
  const auto nest = [&] {
    for (int i = 0; i < 40; ++i) nested = Dim::max(nested, nested + Dim(1));
  };
  expect_error(nest, ErrorCode::kUnsupported, {"tensor/dim", "characters"});

  Dim power = Dim::symbol("n");
  const auto square = [&] {
    for (int i = 0; i < 40; ++i) power = power * power;
  };
  expect_error(square, ErrorCode::kUnsupported, {"tensor/dim", "factors"});
}

}  // namespace
}  // namespace ingot
