#include "tests/ops/harness.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(KeepTokens, WritesEachTokenIntoItsSlot) {
  std::vector<int32_t> kept = {1, 2, 3, 4}, slots = {2, -1, 0, 9}, drawn = {70, 71, -1, 73};
  auto view = [](std::vector<int32_t>& v) {
    return TensorView{
        DType::kInt32, {static_cast<int64_t>(v.size())}, reinterpret_cast<std::byte*>(v.data())};
  };
  const std::vector<TensorView> in = {view(kept), view(slots), view(drawn)};
  const std::vector<TensorView> out = {view(kept)};
  const Attrs attrs;
  get_op("keep_tokens").reference({in, out, attrs});
  EXPECT_EQ(kept, (std::vector<int32_t>{-1, 2, 70, 4}));
}

}  // namespace

std::vector<OpCase> keep_tokens_cases() {
  std::vector<OpCase> cases;
  for (int64_t count : {1, 7, 64, 700}) {
    std::vector<int64_t> slots;  // distinct, some outside
    for (int64_t i = 0; i < count; ++i) slots.push_back((i * 5 + 3) % (count + 2) - 1);
    cases.push_back(
        {.name = fmt::format("{}", count),
         .op = "keep_tokens",
         .inputs = {
             {.type = DType::kInt32, .shape = {count}, .fill = Fill::kRange, .high = 50000},
             {.type = DType::kInt32, .shape = {count}, .fill = Fill::kValues, .values = slots},
             {.type = DType::kInt32, .shape = {count}, .fill = Fill::kRange, .high = 50000}}});
  }
  return cases;
}

INGOT_GPU_OP_TEST(keep_tokens);

}  // namespace ingot::test
