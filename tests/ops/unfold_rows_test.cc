#include "base/error.h"
#include "ops/contract/op_def.h"
#include "tests/loaders/test_files.h"
#include "tests/ops/harness.h"

namespace ingot::test {

std::vector<OpCase> unfold_rows_cases() {
  std::vector<OpCase> cases;
  for (const char* type : {"float32", "bfloat16", "float16"}) {
    for (int64_t columns : {1, 80}) {
      for (const auto& [kernel, stride] :
           {std::pair<int64_t, int64_t>(1, 1), {3, 1}, {3, 2}, {5, 3}}) {
        for (int64_t rows : {1, 2, 37}) {
          cases.push_back(
              {.name = fmt::format("{}_{}_{}_{}_{}", type, columns, kernel, stride, rows),
               .op = "unfold_rows",
               .attrs = {{"kernel", kernel}, {"stride", stride}},
               // Not called tokens: a row's result depends on its neighbours.
               .inputs = {{.type = parse_element_type(type),
                           .shape = {Dim::symbol("frames"), columns},
                           .strided = true}},
               .symbols = {{"frames", rows}}});
        }
      }
    }
  }
  return cases;
}

INGOT_OP_TEST(unfold_rows);

std::vector<ValueType> inferred(SymShape shape, int64_t kernel, int64_t stride) {
  const ValueType x = {DType::kFloat32, std::move(shape)};
  const ValueType* inputs[] = {&x};
  const Attrs attrs = {{"kernel", kernel}, {"stride", stride}};
  return get_op("unfold_rows")
      .infer({"unfold_rows", inputs, attrs, [](size_t) -> const TensorView* { return nullptr; }});
}

TEST(unfold_rows, even_sizes_stay_symbols) {
  const Dim frames = Dim::symbol("frames");
  EXPECT_EQ(inferred({frames * Dim(2), 80}, 3, 2)[0].shape, (SymShape{frames, 240}));
  EXPECT_EQ(inferred({7, 4}, 3, 2)[0].shape, (SymShape{4, 12}));
  EXPECT_EQ(inferred({0, 4}, 3, 2)[0].shape, (SymShape{0, 12}));
}

TEST(unfold_rows, refuses_windows_without_a_middle) {
  expect_error([] { inferred({8, 4}, 2, 1); }, ErrorCode::kInvalidArgument, {"kernel", "found 2"});
  expect_error([] { inferred({8, 4}, 3, 0); }, ErrorCode::kInvalidArgument, {"stride", "found 0"});
  expect_error([] { inferred({8, 4, 2}, 3, 1); }, ErrorCode::kInvalidArgument, {"a float matrix"});
}

// A convolution of k 3, pad 1 by hand: taps are innermost.
TEST(unfold_rows, puts_taps_side_by_side) {
  std::vector<float> x = {1, 2, 3, 4, 5, 6}, y(12, -1.0f);
  const Attrs attrs = {{"kernel", int64_t{3}}, {"stride", int64_t{2}}};
  const TensorView inputs[] = {{DType::kFloat32, {3, 2}, reinterpret_cast<std::byte*>(x.data())}};
  const TensorView outputs[] = {{DType::kFloat32, {2, 6}, reinterpret_cast<std::byte*>(y.data())}};
  get_op("unfold_rows").reference({inputs, outputs, attrs});
  EXPECT_EQ(y, (std::vector<float>{0, 1, 3, 0, 2, 4, 3, 5, 0, 4, 6, 0}));
}

}  // namespace ingot::test
