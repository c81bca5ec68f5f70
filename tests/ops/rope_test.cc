#include "tests/ops/harness.h"

namespace ingot::test {

std::vector<OpCase> rope_cases() {
  struct Shape {
    int64_t heads, head_dim, rotary, top;
  };
  std::vector<OpCase> cases;
  for (const char* type : {"float32", "bfloat16"}) {
    for (bool interleaved : {false, true}) {
      for (Shape s : {Shape{9, 64, 64, 2048}, Shape{3, 80, 32, 100}, Shape{1, 96, 96, 100000},
                      Shape{2, 128, 128, 8192}, Shape{2, 256, 64, 50}, Shape{3, 10, 6, 9}}) {
        cases.push_back(
            {.name = fmt::format("{}_{}_{}{}", type, s.head_dim, s.rotary,
                                 interleaved ? "_interleaved" : ""),
             .op = "rope",
             .attrs = {{"head_dim", s.head_dim}, {"interleaved", interleaved}, {"scale", 1.25}},
             .inputs =
                 {{.type = parse_element_type(type),
                   .shape = {tokens(), s.heads * s.head_dim},
                   .strided = true},
                  {.type = DType::kInt32, .shape = {tokens()}, .fill = Fill::kRange, .high = s.top},
                  // The angles of both signs and of every size up to `top`.
                  {.type = DType::kFloat32,
                   .shape = {s.rotary / 2},
                   .scale = 0.3,
                   .constant = true}},
             .symbols = {{"tokens", 20}},
             .strided_outputs = true});
      }
    }
  }
  // Frequencies by token.
  for (const char* type : {"float32", "bfloat16"}) {
    for (int64_t count : {1, 20}) {
      cases.push_back(
          {.name = fmt::format("{}_by_token{}", type, count),
           .op = "rope",
           .attrs = {{"head_dim", int64_t{80}}},
           .inputs =
               {{.type = parse_element_type(type), .shape = {tokens(), 240}, .strided = true},
                {.type = DType::kInt32, .shape = {tokens()}, .fill = Fill::kRange, .high = 99},
                {.type = DType::kFloat32, .shape = {tokens(), 17}, .scale = 0.3}},
           .symbols = {{"tokens", count}},
           .strided_outputs = true});
    }
  }
  // Beyond the vector reduction of the angle.
  cases.push_back({.name = "huge_angles",
                   .op = "rope",
                   .attrs = {{"head_dim", int64_t{8}}},
                   .inputs = {{.type = DType::kFloat32, .shape = {tokens(), 8}},
                              {.type = DType::kInt32,
                               .shape = {tokens()},
                               .fill = Fill::kRange,
                               .low = 1000000,
                               .high = 100000000},
                              {.type = DType::kFloat32, .shape = {4}, .constant = true}},
                   .symbols = {{"tokens", 5}}});
  return cases;
}

INGOT_OP_TEST(rope);

}  // namespace ingot::test
