#include "tests/ops/paged_cases.h"

namespace ingot::test {

std::vector<OpCase> rope_kv_append_cases() {
  struct Shape {
    int64_t heads, kv_heads, dim, rotary;
  };
  std::vector<OpCase> cases;
  const PagedBatch batch({{0, 19}, {31, 1}, {90, 2}});
  for (const char* type : {"float32", "bfloat16"}) {
    for (const char* cache : {"float32", "bfloat16"}) {
      for (Shape s : {Shape{9, 3, 64, 64}, Shape{4, 1, 80, 32}, Shape{8, 2, 128, 128}}) {
        for (const auto& [interleaved, by_token] :
             {std::pair(false, false), {true, false}, {false, true}}) {
          const ElementType x = parse_element_type(type);
          const CaseInput state = batch.cache(parse_element_type(cache), s.kv_heads, s.dim);
          const CaseInput q = {.type = x, .shape = {tokens(), s.heads * s.dim}, .strided = true};
          const CaseInput kv = {
              .type = x, .shape = {tokens(), s.kv_heads * s.dim}, .strided = true};
          cases.push_back(
              {.name = fmt::format("{}_{}_{}{}{}", type, cache, s.dim,
                                   interleaved ? "_interleaved" : "", by_token ? "_by_token" : ""),
               .op = "rope_kv_append",
               .attrs = {{"head_dim", s.dim}, {"interleaved", interleaved}},
               .inputs = {q,
                          kv,
                          kv,
                          state,
                          state,
                          batch.positions(),
                          batch.token_rows(),
                          batch.block_tables(),
                          {.type = DType::kFloat32,
                           .shape =
                               by_token ? SymShape{tokens(), s.rotary / 2} : SymShape{s.rotary / 2},
                           .scale = 0.3,
                           .constant = !by_token}},
               .symbols = batch.symbols(),
               .outputs = 3,
               .strided_outputs = true,
               .rounds_to = x.dtype == DType::kFloat32 ? std::optional<DType>() : x.dtype});
        }
      }
    }
  }
  return cases;
}

INGOT_OP_TEST(rope_kv_append);

}  // namespace ingot::test
