#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsBias, AddsToTheListedIdsOfEachRow) {
  LogitsCase c;
  c.logits({3, 3}, {1, 2, 3, 1, 2, 3, 1, 2, 3})
      .ints({2, 0, 9, 1, -1})
      .ints({0, 3, 3, 4})
      .floats({0.5f, -4, 7, kOff, 1});
  EXPECT_EQ(c.run_logits("logits_bias"), (std::vector<float>{-3, 2, 3.5f, 1, 2, 3, 1, kOff, 3}));
}

}  // namespace

// Each row lists ids apart from each other, some outside the vocabulary.
std::vector<OpCase> logits_bias_cases() {
  std::vector<OpCase> cases = id_list_cases("logits_bias", {});
  for (OpCase& c : cases) {
    CaseInput& ids = c.inputs[1];
    const std::vector<int64_t>& offsets = c.inputs[2].values;
    const int64_t vocab = c.inputs[0].shape[1].constant();
    ids.fill = Fill::kValues;
    for (size_t r = 0; r + 1 < offsets.size(); ++r) {
      const int64_t step = std::max<int64_t>(1, vocab / (offsets[r + 1] - offsets[r] + 1));
      for (int64_t i = offsets[r]; i < offsets[r + 1]; ++i) {
        ids.values.push_back((i - offsets[r]) * step - 1 + static_cast<int64_t>(r % 3));
      }
    }
    c.inputs.push_back({.type = DType::kFloat32,
                        .shape = ids.shape,
                        .fill = Fill::kReals,
                        .reals = {0.5, -100, 99.5, 0, -INFINITY, 1e-3, -7.25}});
  }
  return cases;
}

INGOT_GPU_OP_TEST(logits_bias);

}  // namespace ingot::test
