#include "tests/ops/harness.h"

namespace ingot::test {

// name, rows, outputs, inputs, activation, weight, output type, bias, pieces of the weight
struct LinearShape {
  std::string name;
  int64_t m, n, k;
  std::string x = "float32", w = "float32", y = "";
  bool bias = false;
  int segments = 1;
};

std::vector<OpCase> linear_cases() {
  std::vector<LinearShape> shapes = {
      // Odd lengths and every tile of rows.
      {"one_by_one", 1, 1, 1},
      {"odd", 3, 7, 33, "float32", "float32", "", true},
      {"odd_many_rows", 13, 5, 31},
      {"long_odd", 2, 3, 1003},
      {"segments", 7, 29, 40, "float32", "float32", "", true, 3},
      // SmolLM2-135M: attention and MLP projections, the head.
      {"smollm_qkv", 8, 960, 576, "float32", "float32", "", false, 3},
      {"smollm_down", 21, 576, 1536},
      {"smollm_head", 1, 49152, 576},
      // Llama 3 8B.
      {"llama8b_gate", 2, 2048, 4096},
      {"llama8b_down", 1, 512, 14336},
  };
  for (const char* w : {"bfloat16", "float16", "q4_1", "q8_0"}) {
    for (const char* x : {"float32", "bfloat16"}) {
      const std::string tag = std::string("_") + x + "_" + w;
      shapes.push_back({"small" + tag, 3, 11, 64, x, w, "", true});
      shapes.push_back({"rows7" + tag, 7, 21, 96, x, w, "", true, 2});
      shapes.push_back({"rows70" + tag, 70, 100, 576, x, w});
      shapes.push_back({"gate_up" + tag, 5, 3072, 576, x, w, "", false, 2});
      shapes.push_back({"llama8b" + tag, 2, 1024, 4096, x, w});
    }
    shapes.push_back({std::string("head_") + w, 2, 49152, 576, "bfloat16", w, "float32"});
  }
  for (const char* w : {"bfloat16", "float16"}) {
    for (int64_t k : {1, 17, 31, 33, 63, 100}) {
      shapes.push_back({fmt::format("k{}_{}", k, w), 19, 17, k, "bfloat16", w, "float32", true});
    }
  }
  shapes.push_back({"half_in_out", 9, 33, 65, "float16", "float16", "", true});
  shapes.push_back({"half_bf16", 9, 33, 64, "float16", "bfloat16", "bfloat16"});

  // Few rows of 16-bit types: edges of tiles of rows, of output columns and of K; long K.
  for (const char* type : {"bfloat16", "float16"}) {
    for (int64_t m : {1, 8, 9, 16, 17}) {
      shapes.push_back({fmt::format("few{}_{}", m, type), m, 1037, 1056, type, type, "", true, 3});
    }
    shapes.push_back({fmt::format("few_k32_{}", type), 5, 49, 32, type, type});
    // Streamed layers use each of their stages again.
    for (int64_t m : {8, 9, 16}) {
      shapes.push_back({fmt::format("few{}_long_{}", m, type), m, 140, 8192, type, type});
    }
    // One row: several rounds of warps that share K, fewer columns than a group has, float32 x.
    shapes.push_back({fmt::format("few1_long_{}", type), 1, 67, 9992, type, type});
    shapes.push_back({fmt::format("few1_narrow_{}", type), 1, 3, 1056, type, type, "", true});
    shapes.push_back(
        {fmt::format("few1_float32_{}", type), 1, 67, 1056, "float32", type, "", true});
    shapes.push_back({fmt::format("few_long_{}", type), 3, 4096, 14336, type, type});
    shapes.push_back({fmt::format("few_head_{}", type), 11, 16411, 576, type, type, "float32"});
  }

  std::vector<OpCase> cases;
  for (const LinearShape& s : shapes) {
    OpCase c = {
        .name = s.name,
        .op = "linear",
        .inputs = {{.type = parse_element_type(s.x), .shape = {tokens(), s.k}, .strided = true},
                   {.type = parse_element_type(s.w),
                    .shape = {s.n, s.k},
                    .constant = true,
                    .segments = s.segments}},
        .symbols = {{"tokens", s.m}},
        .strided_outputs = true};
    if (!s.y.empty()) c.attrs["dtype"] = s.y;
    if (s.bias) {
      c.inputs.push_back({.type = parse_element_type(s.x), .shape = {s.n}, .constant = true});
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

INGOT_OP_TEST(linear);

}  // namespace ingot::test
