#include <cmath>

#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

// name, rows, columns of x, of the residual, half of the gated unit's, of y
struct ChainShape {
  std::string name;
  int64_t m, a, h, i, n;
  std::string type = "bfloat16";
  bool bias = false;
  int segments = 1;
  Attrs attrs = {};
};

OpCase chain_case(const ChainShape& s) {
  const ElementType type = parse_element_type(s.type);
  const auto weight = [&](int64_t n, int64_t k, int segments = 1) {
    return CaseInput{.type = type,
                     .shape = {n, k},
                     .scale = 2 / std::sqrt(static_cast<double>(k)),
                     .constant = true,
                     .segments = segments};
  };
  const auto bias = [&](int64_t n) {
    return CaseInput{.type = type, .shape = {n}, .constant = true, .absent = !s.bias};
  };
  const auto norm = [&](int64_t n) {
    return CaseInput{.type = type, .shape = {n}, .scale = 0.5, .constant = true};
  };
  OpCase c = {.name = s.name,
              .op = "layer_chain",
              .attrs = s.attrs,
              .inputs = {{.type = type, .shape = {tokens(), s.a}, .strided = true},
                         {.type = type, .shape = {tokens(), s.h}, .strided = true},
                         weight(s.h, s.a), bias(s.h), norm(s.h),
                         weight(2 * s.i, s.h, s.segments), bias(2 * s.i), weight(s.h, s.i),
                         bias(s.h), norm(s.h), weight(s.n, s.h, s.segments), bias(s.n)},
              .symbols = {{"tokens", s.m}},
              .outputs = 2,
              .strided_outputs = true};
  // Six roundings to x's type lie on the way, each of which may fall to either side, and kernels
  // keep gate and up in float32: an element of a sum of K may be off by the root mean square of
  // those, which is that of one rounding, times the layer's gain of 2, for each of three layers.
  const double r = type == DType::kBFloat16 ? 0x1p-8 : 0x1p-11;
  const Tolerance table = tolerance(type.dtype);
  c.allowed = Tolerance{table.relative + 2 * r, table.of_rms + 6 * r};
  return c;
}

std::vector<OpCase> layer_chain_cases() {
  std::vector<ChainShape> shapes;
  for (const char* t : {"bfloat16", "float16"}) {
    for (int64_t m : {1, 2, 3, 5, 8}) {
      shapes.push_back({fmt::format("small_rows{}_{}", m, t), m, 64, 96, 160, 48, t});
      shapes.push_back({fmt::format("bias_rows{}_{}", m, t), m, 96, 64, 96, 81, t, true, 3});
      // More columns than a round over 132 blocks has, and a rest.
      shapes.push_back({fmt::format("rounds_rows{}_{}", m, t), m, 1056, 2208, 1312, 2500, t,
                        m == 3, 2});
    }
  }
  for (const char* activation : {"relu", "gelu", "gelu_tanh"}) {
    shapes.push_back({std::string(activation), 2, 64, 64, 64, 64, "bfloat16", true, 2,
                      {{"activation", std::string(activation)}}});
  }
  shapes.push_back({"norms", 3, 64, 128, 64, 64, "bfloat16", false, 1,
                    {{"epsilon", 0.25},
                     {"weight_offset", 1.0},
                     {"next_epsilon", 0.5},
                     {"next_weight_offset", -0.5}}});
  // One column that is not nothing, K past a stage's and no multiple of it, a long K.
  shapes.push_back({"narrow", 4, 32, 32, 32, 1});
  shapes.push_back({"long_rows1", 1, 1056, 96, 14336, 40});
  shapes.push_back({"long_rows8", 8, 4096, 64, 5280, 40});
  // SmolLM2's and Llama 3 8B's.
  shapes.push_back({"smollm_rows1", 1, 576, 576, 1536, 960, "bfloat16", false, 3});
  shapes.push_back({"smollm_rows8", 8, 576, 576, 1536, 960, "bfloat16", false, 3});
  shapes.push_back({"llama8b_rows1", 1, 4096, 4096, 1024, 6144, "bfloat16", false, 3});
  shapes.push_back({"llama8b_rows8", 8, 4096, 4096, 1024, 6144, "bfloat16", false, 3});
  std::vector<OpCase> cases;
  for (const ChainShape& s : shapes) cases.push_back(chain_case(s));
  return cases;
}

INGOT_GPU_OP_TEST(layer_chain);

Operand zeros(DType type, Shape shape) {
  return typed(type, shape, std::vector<double>(static_cast<size_t>(element_count(shape))));
}

// x = (1, 2), residual (1, -1); out swaps: middle = (3, 0). Its norm is (sqrt 2, 0), times (1, 3).
// Gate 2 sqrt 2, up sqrt 2 through relu: 4. down (1, -0.5): sum = (7, -2). Its norm is (7, -2) /
// sqrt 26.5, times (1, 1); next adds them up.
TEST(layer_chain, is_its_definition) {
  const Attrs attrs = {
      {"activation", std::string("relu")}, {"epsilon", 0.0}, {"next_epsilon", 0.0}};
  const double norm = std::sqrt(26.5);
  std::vector<Operand> inputs = {floats({1, 2}, {1, 2}),
                                 floats({1, 2}, {1, -1}),
                                 floats({2, 2}, {0, 1, 1, 0}),
                                 absent(),
                                 floats({2}, {1, 3}),
                                 floats({2, 2}, {2, 0, 1, 5}),
                                 absent(),
                                 floats({2, 1}, {1, -0.5}),
                                 absent(),
                                 floats({2}, {1, 1}),
                                 floats({3, 2}, {1, 0, 0, 1, 1, 1})};
  check_reference("layer_chain", attrs, inputs,
                  {floats({1, 2}, {7, -2}), floats({1, 3}, {7 / norm, -2 / norm, 5 / norm})});
  inputs[3] = floats({2}, {0, 0});
  inputs[8] = floats({2}, {-7, 3});
  inputs.push_back(floats({3}, {0, 1, 2}));
  // The sum is (0, 1): its norm (0, sqrt 2).
  const double root = std::sqrt(2);
  check_reference("layer_chain", attrs, inputs,
                  {floats({1, 2}, {0, 1}), floats({1, 3}, {0, 1 + root, 2 + root})});
}

TEST(layer_chain, refuses_what_does_not_fit) {
  const auto type = DType::kFloat32;
  const std::vector<Operand> good = {
      zeros(type, {3, 4}), zeros(type, {3, 6}), zeros(type, {6, 4}),  zeros(type, {6}),
      zeros(type, {6}),    zeros(type, {10, 6}), zeros(type, {10}),   zeros(type, {6, 5}),
      zeros(type, {6}),    zeros(type, {6}),     zeros(type, {7, 6}), zeros(type, {7})};
  const auto refused = [&](size_t index, const Operand& with, std::string_view part,
                           const Attrs& attrs = {}) {
    std::vector<Operand> inputs = good;
    inputs[index] = with;
    check_refused("layer_chain", attrs, inputs, part);
  };
  refused(0, good[0], "unknown activation 'tanh'", {{"activation", std::string("tanh")}});
  refused(0, zeros(DType::kInt32, {3, 4}), "expected a float matrix, found int32[3, 4]");
  refused(0, zeros(type, {1, 3, 4}), "expected a float matrix");
  refused(1, zeros(type, {2, 6}), "residual float32[2, 6] does not fit input");
  refused(1, zeros(DType::kBFloat16, {3, 6}), "residual bfloat16[3, 6] does not fit input");
  refused(2, zeros(type, {6, 5}), "weight 2: float32[6, 5] does not fit 4 columns");
  refused(2, zeros(type, {5, 4}), "bias float32[6] does not fit weight");
  refused(3, zeros(type, {5}), "bias float32[5] does not fit weight");
  refused(4, zeros(type, {5}), "norm's weight float32[5] does not fit residual");
  refused(5, zeros(type, {10, 4}), "weight 5: float32[10, 4] does not fit 6 columns");
  refused(7, zeros(type, {6, 4}), "weight 7: float32[6, 4] does not fit 5 columns");
  refused(9, zeros(type, {1, 6}), "norm's weight float32[1, 6] does not fit residual");
  refused(10, zeros(type, {7, 5}), "weight 10: float32[7, 5] does not fit 6 columns");
  refused(11, zeros(type, {8}), "bias float32[8] does not fit weight");
}

}  // namespace ingot::test
