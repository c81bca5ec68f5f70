#include "tests/ops/harness.h"

namespace ingot::test {

std::vector<OpCase> add_rms_norm_cases() {
  std::vector<OpCase> cases;
  for (const char* type : {"float32", "bfloat16", "float16"}) {
    for (int64_t k : {1, 15, 576, 1537}) {
      const CaseInput x = {
          .type = parse_element_type(type), .shape = {tokens(), k}, .strided = true};
      cases.push_back({.name = fmt::format("{}_{}", type, k),
                       .op = "add_rms_norm",
                       .attrs = {{"epsilon", 1e-5}},
                       .inputs = {x, x, {.type = x.type, .shape = {k}, .constant = true}},
                       .symbols = {{"tokens", 21}},
                       .outputs = 2,
                       .strided_outputs = true});
    }
    const CaseInput x = {
        .type = parse_element_type(type), .shape = {tokens(), 96}, .strided = true};
    cases.push_back({.name = fmt::format("offset_groups_{}", type),
                     .op = "add_rms_norm",
                     .attrs = {{"epsilon", 1e-5}, {"weight_offset", 1.0}, {"group", int64_t{32}}},
                     .inputs = {x, x, {.type = x.type, .shape = {32}, .constant = true}},
                     .symbols = {{"tokens", 21}},
                     .outputs = 2,
                     .strided_outputs = true});
  }
  return cases;
}

INGOT_OP_TEST(add_rms_norm);

}  // namespace ingot::test
