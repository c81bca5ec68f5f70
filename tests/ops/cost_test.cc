// What operators say that a step must move and multiply at the least.
#include <gtest/gtest.h>

#include "ops/contract/op_cost.h"
#include "tensor/block_format.h"

namespace ingot {
namespace {

const ElementType kFloat(DType::kFloat32);

OpCost cost_of(std::string_view op, const std::vector<CostOperand>& inputs,
               const std::vector<CostOperand>& outputs, const AttentionLoad& load = {}) {
  static const Attrs none;
  return op_cost({get_op(op), none, inputs, outputs, load});
}

CostOperand floats(Shape shape) { return {kFloat, std::move(shape)}; }

TEST(OpCost, OfWhatMultipliesIsStatedByItself) {
  int heavy = 0;
  for (const OpDef* op : ops_op_list()) {
    if (!op->heavy) continue;
    ++heavy;
    EXPECT_NE(op->cost, nullptr) << op->name << " is heavy: expected a cost()";
  }
  EXPECT_GT(heavy, 5);
}

TEST(OpCost, OfAllOthersIsEveryOperandOnce) {
  const OpCost cost = cost_of("add", {floats({3, 5}), floats({5})}, {floats({3, 5})});
  EXPECT_EQ(cost.bytes, 4 * (15 + 5 + 15));
  EXPECT_EQ(cost.flops, 0);
  EXPECT_EQ(cost_of("rms_norm", {floats({3, 5}), {.present = false}}, {floats({3, 5})}).bytes, 120);
  const OpCost view = cost_of("split_columns", {floats({3, 8})}, {floats({3, 4}), floats({3, 4})});
  EXPECT_EQ(view.bytes, 0);
}

TEST(OpCost, OfProducts) {
  const OpCost linear = cost_of("linear", {floats({2, 3, 8}), floats({5, 8})}, {floats({2, 3, 5})});
  EXPECT_EQ(linear.flops, 2 * 6 * 5 * 8);
  EXPECT_EQ(linear.bytes, 4 * (48 + 40 + 30));
  EXPECT_EQ(cost_of("matmul", {floats({7, 2, 8}), floats({8, 5})}, {floats({7, 2, 5})}).flops,
            2 * 7 * 2 * 5 * 8);
  EXPECT_EQ(cost_of("gated_linear", {floats({3, 8}), floats({10, 8})}, {floats({3, 5})}).flops,
            2 * 3 * 10 * 8);
  const OpCost sum =
      cost_of("linear_add", {floats({6, 8}), floats({5, 8}), floats({5}), floats({6, 5})},
              {floats({6, 5})});
  EXPECT_EQ(sum.flops, linear.flops);
  EXPECT_EQ(sum.bytes, linear.bytes + 4 * (5 + 30)) << "the bias and the residual";
  const OpCost normed =
      cost_of("rms_norm_linear", {floats({6, 8}), floats({5, 8}), {.present = false}, floats({8})},
              {floats({6, 5})});
  EXPECT_EQ(normed.flops, linear.flops);
  EXPECT_EQ(normed.bytes, linear.bytes + 4 * 8) << "the norm's weight";
  EXPECT_EQ(
      cost_of("rms_norm_gated_linear",
              {floats({3, 8}), floats({10, 8}), {.present = false}, floats({8})}, {floats({3, 5})})
          .flops,
      2 * 3 * 10 * 8);
  const OpCost lora =
      cost_of("lora_delta", {floats({3, 20}), floats({3, 8}), floats({2, 8}), floats({5, 2})},
              {floats({3, 20})});
  EXPECT_EQ(lora.flops, 2 * 3 * 2 * 8 + 2 * 3 * 5 * 2);
  EXPECT_EQ(lora.bytes, 4 * (2 * 3 * 5 + 24 + 16 + 10)) << "of y the adapter's five columns";
}

// A 3 x 3 filter over 4 channels of each of 2 groups; 6 x 6 places.
TEST(OpCost, OfConvolutions) {
  const CostOperand x = floats({1, 8, 8, 8}), w = floats({10, 4, 3, 3}), y = floats({1, 10, 6, 6});
  EXPECT_EQ(cost_of("conv", {x, w}, {y}).flops, 2.0 * 10 * 36 * (4 * 9));
  EXPECT_EQ(cost_of("conv", {x, w}, {y}).bytes, 4 * (512 + 360 + 360));
  // Its transpose, from the ten channels to the eight: each of x's elements meets 4 x 9 weights.
  EXPECT_EQ(cost_of("conv_transpose", {y, w}, {x}).flops, 2.0 * 360 * (4 * 9));
  EXPECT_EQ(cost_of("max_pool", {x}, {floats({1, 8, 4, 4})}).flops, 0);
}

TEST(OpCost, OfGatheringIsThePartThatIsPicked) {
  const CostOperand ids = {DType::kInt32, {3}};
  const OpCost rows = cost_of("embedding", {ids, floats({1000, 16})}, {floats({3, 16})});
  EXPECT_EQ(rows.bytes, 3 * 4 + 2 * 3 * 16 * 4);
  const ElementType block(*find_block_format("q8_0"));
  const OpCost blocks = cost_of("embedding", {ids, {block, {1000, 64}}}, {floats({3, 64})});
  EXPECT_EQ(blocks.bytes, 3 * 4 + 3 * 2 * 34 + 3 * 64 * 4);
  const CostOperand indices = {DType::kInt64, {1000}};
  EXPECT_EQ(cost_of("gather", {indices, ids}, {{DType::kInt64, {3}}}).bytes, 2 * 3 * 8 + 3 * 4)
      << "integers too";
  EXPECT_EQ(cost_of("slice", {floats({100, 100})}, {floats({2, 3})}).bytes, 2 * 6 * 4);
}

TEST(OpCost, OfACacheIsThePositionsThatAreTouched) {
  const CostOperand cache = {.type = kFloat, .shape = {64, 2, 32, 8}, .state = true};
  EXPECT_EQ(position_bytes(cache), 2 * 8 * 4);
  const CostOperand kv = floats({3, 16}), ints = {DType::kInt32, {3}};
  const CostOperand table = {DType::kInt32, {1, 4}};
  const OpCost append =
      cost_of("kv_append", {kv, kv, cache, cache, ints, ints, table}, {cache, cache});
  EXPECT_EQ(append.bytes, 2 * 3 * 16 * 4 + 2 * 3 * 64 + 2 * 12 + 16);
  const CostOperand q = floats({3, 32}), offsets = {DType::kInt32, {2}},
                    length = {DType::kInt32, {1}};
  const OpCost attention = cost_of(
      "paged_attention", {q, cache, cache, ints, ints, offsets, length, table}, {q}, {10, 24});
  EXPECT_EQ(attention.flops, 4 * 24 * 32);
  EXPECT_EQ(attention.bytes, 2 * 3 * 32 * 4 + 2 * 10 * 64 + 2 * 12 + 8 + 4 + 16);
}

}  // namespace
}  // namespace ingot
