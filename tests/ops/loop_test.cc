#include "tests/ops/reference_case.h"

namespace ingot::test {

std::vector<ValueType> infer_loop(const ValueType& start, const std::vector<ValueType>& body) {
  const ValueType trips{DType::kInt64, {}}, condition{DType::kBool, {}};
  const ValueType* inputs[] = {&trips, &condition, &start};
  const Attrs attrs = {
      {"body_graph", int64_t{0}}, {"carried", int64_t{1}}, {"prefix", std::string("loop0")}};
  const auto constant = [](size_t) -> const TensorView* { return nullptr; };
  const auto results = [&](int64_t) { return body; };
  return get_op("loop").infer({"loop", inputs, attrs, constant, body.size() - 1, results});
}

TEST(loop_op, carried_types_and_stacked_scans) {
  const ValueType vector{DType::kFloat32, {Dim(4)}}, yes{DType::kBool, {}};
  const auto out = infer_loop(vector, {yes, vector, {DType::kInt64, {Dim(2)}}});
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(type_text(out[0]), "float32[4]");
  EXPECT_EQ(type_text(out[1]), "int64[loop0_trips, 2]");
}

TEST(loop_op, growing_carried_sizes_become_symbols) {
  const ValueType yes{DType::kBool, {}};
  const auto out = infer_loop({DType::kFloat32, {Dim(4)}}, {yes, {DType::kFloat32, {Dim(5)}}});
  EXPECT_EQ(type_text(out[0]), "float32[loop0_0_0]");
}

TEST(loop_op, refuses_a_carried_value_that_changes_type) {
  const ValueType yes{DType::kBool, {}};
  EXPECT_THROW(infer_loop({DType::kFloat32, {Dim(4)}}, {yes, {DType::kInt64, {Dim(4)}}}), Error);
  EXPECT_THROW(
      infer_loop({DType::kFloat32, {Dim(4)}}, {{DType::kInt64, {}}, {DType::kFloat32, {Dim(4)}}}),
      Error);
}

}  // namespace ingot::test
