#include "tests/ops/harness.h"

namespace ingot::test {

std::vector<OpCase> lora_delta_cases() {
  std::vector<OpCase> cases;
  auto add = [&](const std::string& name, int64_t m, int64_t n, int64_t k, int64_t rank,
                 int64_t rows, int64_t offset, const char* type) {
    const ElementType element = parse_element_type(type);
    cases.push_back({.name = name,
                     .op = "lora_delta",
                     .attrs = {{"offset", offset}, {"scale", 0.5}},
                     .inputs = {{.type = element, .shape = {tokens(), n}},
                                {.type = element, .shape = {tokens(), k}},
                                {.type = element, .shape = {rank, k}, .constant = true},
                                {.type = element, .shape = {rows, rank}, .constant = true}},
                     .symbols = {{"tokens", m}}});
  };
  add("rank1", 1, 5, 3, 1, 5, 0, "float32");
  add("middle", 3, 29, 17, 4, 7, 11, "float32");
  add("last_column", 2, 8, 8, 2, 1, 7, "bfloat16");
  add("smollm_q", 5, 960, 576, 8, 576, 0, "bfloat16");
  return cases;
}

class lora_delta_op : public ::testing::TestWithParam<OpCase> {};
TEST_P(lora_delta_op, kernels_match_reference) { check_case(GetParam(), true); }
INSTANTIATE_TEST_SUITE_P(cases, lora_delta_op, ::testing::ValuesIn(lora_delta_cases()), case_name);

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
