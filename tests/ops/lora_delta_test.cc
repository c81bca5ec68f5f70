#include <gmock/gmock.h>

#include "kernels/reference.h"
#include "tests/ops/harness.h"

namespace ingot::test {

// a x = 2 - 1 = 1, scaled 0.5; b adds 4 and 6 times that, in place, from column 1 on.
TEST(lora_delta, adds_the_scaled_low_rank_product) {
  float y[] = {1, 2, 3}, x[] = {1, -1}, a[] = {2, 1}, b[] = {4, 6};
  auto view = [](float* data, Shape shape) {
    return TensorView{DType::kFloat32, std::move(shape), reinterpret_cast<std::byte*>(data)};
  };
  const std::vector<TensorView> inputs = {view(y, {1, 3}), view(x, {1, 2}), view(a, {1, 2}),
                                          view(b, {2, 1})};
  const std::vector<TensorView> outputs = {inputs[0]};
  run_reference("lora_delta", {{"offset", int64_t{1}}, {"scale", 0.5}}, inputs, outputs);
  EXPECT_THAT(y, ::testing::ElementsAre(1, 4, 6));
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
