#include "tests/ops/reference_case.h"

namespace ingot::test {

std::vector<ValueType> infer_branches(const ValueType& then_type, const ValueType& else_type) {
  const ValueType condition{DType::kBool, {}};
  const ValueType* inputs[] = {&condition};
  const Attrs attrs = {
      {"then_graph", int64_t{0}}, {"else_graph", int64_t{1}}, {"prefix", std::string("if0")}};
  const auto constant = [](size_t) -> const TensorView* { return nullptr; };
  const auto results = [&](int64_t index) {
    return std::vector<ValueType>{index == 0 ? then_type : else_type};
  };
  return get_op("if").infer({"if", inputs, attrs, constant, 1, results});
}

TEST(if_op, equal_sizes_stay_and_others_become_symbols) {
  const auto out =
      infer_branches({DType::kFloat32, {Dim(2), Dim(3)}}, {DType::kFloat32, {Dim(2), Dim(5)}});
  EXPECT_EQ(type_text(out[0]), "float32[2, if0_0_1]");
}

TEST(if_op, refuses_branches_of_two_types) {
  EXPECT_THROW(infer_branches({DType::kFloat32, {Dim(2)}}, {DType::kInt64, {Dim(2)}}), Error);
  EXPECT_THROW(infer_branches({DType::kFloat32, {Dim(2)}}, {DType::kFloat32, {}}), Error);
}

}  // namespace ingot::test
