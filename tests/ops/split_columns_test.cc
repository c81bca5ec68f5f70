#include "tests/ops/harness.h"

namespace ingot::test {

// The executor makes views of it; only its reference exists.
TEST(split_columns, parts_hold_consecutive_columns) {
  std::vector<float> x = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::vector<float> a(4), b(6);
  auto view = [](std::vector<float>& v, int64_t columns) {
    return TensorView{DType::kFloat32, {2, columns}, reinterpret_cast<std::byte*>(v.data())};
  };
  const std::vector<TensorView> in = {view(x, 5)};
  const std::vector<TensorView> out = {view(a, 2), view(b, 3)};
  get_op("split_columns").reference({in, out, {{"widths", std::vector<int64_t>{2, 3}}}});
  EXPECT_EQ(a, (std::vector<float>{0, 1, 5, 6}));
  EXPECT_EQ(b, (std::vector<float>{2, 3, 4, 7, 8, 9}));
}

TEST(split_columns, widths_must_add_up) {
  const ValueType x = {DType::kFloat32, {tokens(), 5}};
  const std::vector<const ValueType*> inputs = {&x};
  const Attrs attrs = {{"widths", std::vector<int64_t>{2, 2}}};
  EXPECT_THROW(get_op("split_columns").infer({"split_columns", inputs, attrs, {}, 2}), Error);
}

}  // namespace ingot::test
