#include "tests/ops/reference_case.h"

namespace ingot::test {

// a x = 2 - 1 = 1, scaled 0.5; b adds 4 and 6 times that from column 1 on.
TEST(lora_delta, adds_the_scaled_low_rank_product) {
  check_reference("lora_delta", {{"offset", int64_t{1}}, {"scale", 0.5}},
                  {floats({1, 3}, {1, 2, 3}), floats({1, 2}, {1, -1}), floats({1, 2}, {2, 1}),
                   floats({2, 1}, {4, 6})},
                  {floats({1, 3}, {1, 4, 6})});
}

std::vector<ValueType> infer_lora(SymShape y, SymShape x, SymShape a, SymShape b, int64_t offset) {
  const ValueType types[] = {{DType::kFloat32, std::move(y)},
                             {DType::kFloat32, std::move(x)},
                             {DType::kFloat32, std::move(a)},
                             {DType::kFloat32, std::move(b)}};
  const ValueType* inputs[] = {&types[0], &types[1], &types[2], &types[3]};
  const Attrs attrs = {{"offset", offset}};
  return get_op("lora_delta").infer({"lora_delta", inputs, attrs, [](size_t) { return nullptr; }});
}

TEST(lora_delta_infer, refuses_what_does_not_fit) {
  EXPECT_EQ(type_text(infer_lora({tokens(), 8}, {tokens(), 6}, {2, 6}, {4, 2}, 4)[0]),
            "float32[tokens, 8]");
  EXPECT_THROW(infer_lora({tokens(), 8}, {tokens(), 6}, {2, 6}, {4, 2}, 5), Error);
  EXPECT_THROW(infer_lora({tokens(), 8}, {tokens(), 6}, {2, 6}, {4, 2}, -1), Error);
  EXPECT_THROW(infer_lora({tokens(), 8}, {tokens(), 6}, {2, 5}, {4, 2}, 0), Error);
  EXPECT_THROW(infer_lora({tokens(), 8}, {tokens(), 6}, {2, 6}, {4, 3}, 0), Error);
  EXPECT_THROW(infer_lora({tokens(), 8}, {batch(), 6}, {2, 6}, {4, 2}, 0), Error);
  EXPECT_THROW(infer_lora({tokens(), tokens()}, {tokens(), 6}, {2, 6}, {4, 2}, 0), Error);
  EXPECT_THROW(infer_lora({}, {}, {2, 6}, {4, 2}, 0), Error);
}

}  // namespace ingot::test
