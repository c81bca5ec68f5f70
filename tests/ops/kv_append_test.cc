#include "tests/ops/paged_cases.h"

namespace ingot::test {

std::vector<OpCase> kv_append_cases() {
  std::vector<OpCase> cases;
  const PagedBatch batch({{0, 40}, {31, 1}, {63, 5}});
  for (const char* type : {"float32", "bfloat16"}) {
    for (const char* cache : {"float32", "bfloat16", "float16"}) {
      for (int64_t dim : {64, 80}) {
        const CaseInput kv = {
            .type = parse_element_type(type), .shape = {tokens(), 3 * dim}, .strided = true};
        const CaseInput state = batch.cache(parse_element_type(cache), 3, dim);
        cases.push_back({.name = fmt::format("{}_{}_{}", type, cache, dim),
                         .op = "kv_append",
                         .inputs = {kv, kv, state, state, batch.positions(), batch.token_rows(),
                                    batch.block_tables()},
                         .symbols = batch.symbols(),
                         .outputs = 2});
      }
    }
  }
  return cases;
}

INGOT_OP_TEST(kv_append);

}  // namespace ingot::test
