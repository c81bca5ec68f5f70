// Operators against values computed elsewhere (the ONNX reference evaluator): the plain reference
// is the oracle of every kernel, so it needs one of its own.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/reference.h"

namespace ingot::test {

struct Operand {
  ElementType type;
  Shape shape;
  std::vector<double> values;
  bool absent = false;
};
inline Operand floats(Shape shape, std::vector<double> values) {
  return {DType::kFloat32, std::move(shape), std::move(values)};
}
inline Operand longs(Shape shape, std::vector<double> values) {
  return {DType::kInt64, std::move(shape), std::move(values)};
}
inline Operand bools(Shape shape, std::vector<double> values) {
  return {DType::kBool, std::move(shape), std::move(values)};
}
inline Operand typed(DType type, Shape shape, std::vector<double> values) {
  return {type, std::move(shape), std::move(values)};
}
inline Operand absent() { return {DType::kFloat32, {}, {}, true}; }

// infer() must give the expected types; reference() or the decomposition the expected values,
// floats within `tolerance` of max(1, |value|).
void check_reference(std::string_view op, const Attrs& attrs, const std::vector<Operand>& inputs,
                     const std::vector<Operand>& expected, double tolerance = 2e-5);

// infer() must refuse: Error{kInvalidArgument} whose message holds `part`.
void check_refused(std::string_view op, const Attrs& attrs, const std::vector<Operand>& inputs,
                   std::string_view part);

// The reference must refuse the values: Error{kInvalidArgument} whose message holds `part`.
// `results` give the types of the outputs.
inline void check_run_fails(std::string_view op, const Attrs& attrs,
                            const std::vector<Operand>& inputs, const std::vector<Operand>& results,
                            std::string_view part) {
  try {
    check_reference(op, attrs, inputs, results);
    ADD_FAILURE() << op << " accepted it";
  } catch (const Error& error) {
    EXPECT_EQ(error_code_name(error.code()), error_code_name(ErrorCode::kInvalidArgument));
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos) << error.what();
  }
}

}  // namespace ingot::test
