// Operands that infer() must refuse: a reference trusts what infer() let through.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

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

// The file name registers an operator; models, plans and engines go by its own.
TEST(InferFaultsTest, OperatorsAreCalledAsTheirFiles) {
  std::set<std::string> files, names;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(INGOT_TEST_DATA) + "/../../src/ops")) {
    if (entry.path().extension() == ".cc") files.insert(entry.path().stem());
  }
  for (const OpDef* op : ops_op_list()) names.emplace(op->name);
  EXPECT_EQ(names, files);
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

// ONNX has no other results of QuantizeLinear, and the range of others is not kept.
TEST(InferFaultsTest, QuantizesToSmallIntegers) {
  const std::vector<ValueType> inputs = {{DType::kFloat32, {4}}, {DType::kFloat32, {}}};
  for (const char* type : {"int32", "uint32", "int64", "uint64"}) {
    refuses("quantize_linear", {{"axis", int64_t{0}}, {"dtype", std::string(type)}}, inputs,
            {type, "int8"});
  }
  for (const char* type : {"int8", "uint8", "int16", "uint16"}) {
    EXPECT_EQ(infer("quantize_linear", {{"axis", int64_t{0}}, {"dtype", std::string(type)}}, inputs)
                  .size(),
              1u);
  }
}

TEST(InferFaultsTest, EveryRotatedTokenHasAPosition) {
  const Attrs attrs = {{"head_dim", int64_t{4}}};
  const ValueType x{DType::kFloat32, {3, 8}}, frequencies{DType::kFloat32, {2}};
  refuses("rope", attrs, {x, {DType::kInt32, {2}}, frequencies}, {"2 positions", "3 tokens"});
  EXPECT_EQ(infer("rope", attrs, {x, {DType::kInt32, {3}}, frequencies}).size(), 1u);
}

TEST(InferFaultsTest, WhatIsRotatedIntoTheCacheSuitsRope) {
  const auto types = [](int64_t q_columns, int64_t frequencies) {
    const DType f = DType::kFloat32, i = DType::kInt32;
    const SymShape cache = {Dim::symbol("pages"), 1, 16, 4};
    return std::vector<ValueType>{{f, {3, q_columns}}, {f, {3, 4}}, {f, {3, 4}}, {f, cache, true},
                                  {f, cache, true},    {i, {3}},    {i, {3}},    {i, {1, 2}},
                                  {f, {frequencies}}};
  };
  const Attrs attrs = {{"head_dim", int64_t{4}}};
  EXPECT_EQ(infer("rope_kv_append", attrs, types(8, 2), 3).size(), 3u);
  refuses("rope_kv_append", attrs, types(6, 2), {"6 columns", "heads of 4"}, 3);
  refuses("rope_kv_append", attrs, types(8, 3), {"half a head"}, 3);
}

// The last window begins in the input, whether its size is known or not.
TEST(InferFaultsTest, SymbolicPoolsCountWindowsAsConstantOnes) {
  const Attrs attrs = {{"kernel", std::vector<int64_t>{2}},
                       {"strides", std::vector<int64_t>{2}},
                       {"pads", std::vector<int64_t>{1, 1}},
                       {"ceil_mode", true}};
  const auto shape = [&](const Dim& size) {
    return infer("max_pool", attrs, {{DType::kFloat32, {1, 1, size}}})[0].shape[2];
  };
  for (int64_t size = 1; size < 12; ++size) {
    EXPECT_EQ(shape(Dim::symbol("h")).evaluate({{"h", size}}), shape(size).constant()) << size;
  }
  EXPECT_EQ(shape(5), Dim(3));
}

}  // namespace infer_faults
}  // namespace ingot
