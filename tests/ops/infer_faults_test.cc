// Operands that infer() must refuse: a reference trusts what infer() let through.
#include <gtest/gtest.h>

#include "ops/contract/op_def.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace infer_faults {

std::vector<ValueType> infer(std::string_view op, const Attrs& attrs,
                             const std::vector<ValueType>& inputs, size_t outputs = 1) {
  std::vector<const ValueType*> types;
  for (const ValueType& type : inputs) types.push_back(&type);
  return get_op(op).infer(
      {op, types, attrs, [](size_t) -> const TensorView* { return nullptr; }, outputs});
}

void refuses(std::string_view op, const Attrs& attrs, const std::vector<ValueType>& inputs,
             std::vector<std::string> parts, size_t outputs = 1) {
  parts.push_back(fmt::format("ops/{}", op));
  expect_error([&] { infer(op, attrs, inputs, outputs); }, ErrorCode::kInvalidArgument, parts);
}

TEST(InferFaultsTest, SliceTakesAnAxisOnce) {
  refuses("slice",
          {{"axes", std::vector<int64_t>{0, -1}},
           {"starts", std::vector<int64_t>{2, 2}},
           {"ends", std::vector<std::string>{"4", "4"}},
           {"steps", std::vector<int64_t>{1, 1}}},
          {{DType::kFloat32, {4}}}, {"axis 0", "twice"});
}

TEST(InferFaultsTest, GatherNdPairsEqualBatches) {
  const ValueType wide{DType::kInt64, {5, 1}}, narrow{DType::kInt64, {1, 1}};
  const Attrs attrs = {{"batch_dims", int64_t{1}}};
  refuses("gather_nd", attrs, {{DType::kFloat32, {2, 3}}, wide}, {"[5, 1]", "[2, 3]"});
  refuses("gather_nd", attrs, {{DType::kFloat32, {3, 3}}, narrow}, {"[1, 1]", "[3, 3]"});
}

TEST(InferFaultsTest, PadsNeedOneFillValue) {
  const Attrs attrs = {{"pads", std::vector<int64_t>{1, 1}}, {"mode", std::string("constant")}};
  const ValueType x{DType::kFloat32, {4}};
  refuses("pad", attrs, {x, {DType::kFloat32, {0}}}, {"fill value", "[0]"});
  EXPECT_EQ(infer("pad", attrs, {x, {DType::kFloat32, {}}})[0].shape, (SymShape{6}));
  EXPECT_EQ(infer("pad", attrs, {x, {DType::kFloat32, {1}}})[0].shape, (SymShape{6}));
}

}  // namespace infer_faults
}  // namespace ingot
