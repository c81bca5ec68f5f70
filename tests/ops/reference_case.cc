#include "tests/ops/reference_case.h"

#include <cmath>

namespace ingot::test {
namespace {

struct Storage {
  std::vector<std::vector<std::byte>> memory;
  TensorView make(const Operand& operand) {
    if (operand.absent) return {};
    TensorView view{operand.type, operand.shape};
    EXPECT_EQ(view.elements(), static_cast<int64_t>(operand.values.size()));
    memory.emplace_back(static_cast<size_t>(std::max<int64_t>(1, view.bytes())));
    view.data = memory.back().data();
    for (int64_t i = 0; i < view.elements(); ++i) {
      store_element(view, i, operand.values[static_cast<size_t>(i)]);
    }
    return view;
  }
};

std::vector<ValueType> infer(std::string_view op, const Attrs& attrs,
                             const std::vector<TensorView>& inputs, size_t outputs) {
  std::vector<ValueType> types;
  for (const TensorView& view : inputs) types.push_back({view.type, sym_shape(view.shape)});
  std::vector<const ValueType*> pointers;
  for (size_t i = 0; i < inputs.size(); ++i) {
    pointers.push_back(inputs[i].present() ? &types[i] : nullptr);
  }
  const auto constant = [&](size_t i) { return inputs[i].present() ? &inputs[i] : nullptr; };
  return get_op(op).infer({op, pointers, attrs, constant, outputs});
}

}  // namespace

void check_reference(std::string_view op, const Attrs& attrs, const std::vector<Operand>& inputs,
                     const std::vector<Operand>& expected, double tolerance) {
  Storage storage;
  std::vector<TensorView> in, out;
  for (const Operand& operand : inputs) in.push_back(storage.make(operand));
  const std::vector<ValueType> types = infer(op, attrs, in, expected.size());
  ASSERT_EQ(types.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(type_text(types[i]), type_text({expected[i].type, sym_shape(expected[i].shape)}));
    Operand blank = expected[i];
    std::fill(blank.values.begin(), blank.values.end(), 0.0);
    out.push_back(storage.make(blank));
  }
  run_reference(op, attrs, in, out);
  for (size_t i = 0; i < expected.size(); ++i) {
    for (int64_t k = 0; k < out[i].elements(); ++k) {
      const double want = expected[i].values[static_cast<size_t>(k)], got = load_element(out[i], k);
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(got)) << op << " output " << i << " element " << k;
      } else if (got != want) {
        EXPECT_NEAR(got, want, tolerance * std::fmax(1, std::fabs(want)))
            << op << " output " << i << " element " << k;
      }
    }
  }
}

void check_refused(std::string_view op, const Attrs& attrs, const std::vector<Operand>& inputs,
                   std::string_view part) {
  Storage storage;
  std::vector<TensorView> in;
  for (const Operand& operand : inputs) in.push_back(storage.make(operand));
  try {
    infer(op, attrs, in, 1);
    ADD_FAILURE() << op << " accepted it";
  } catch (const Error& error) {
    EXPECT_EQ(error_code_name(error.code()), error_code_name(ErrorCode::kInvalidArgument));
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos) << error.what();
  }
}

}  // namespace ingot::test
