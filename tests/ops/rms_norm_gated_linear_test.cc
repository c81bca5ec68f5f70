#include <cmath>

#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"
#include "tests/ops/step_table.h"

namespace ingot::test {

// name, rows, output columns, inputs, type of x, bias, pieces of the weight, activation, ...
struct NormedGatedShape {
  std::string name;
  int64_t m, n, k;
  std::string x = "bfloat16";
  bool bias = false;
  int segments = 1;
  std::string activation = "silu";
  double offset = 0;
  std::string w = "";  // x's
};

OpCase normed_gated_case(const NormedGatedShape& s) {
  const ElementType x = parse_element_type(s.x);
  const ElementType w = parse_element_type(s.w.empty() ? s.x : s.w);
  OpCase c = {
      .name = s.name,
      .op = "rms_norm_gated_linear",
      .attrs = {{"activation", s.activation}, {"epsilon", 1e-5}, {"weight_offset", s.offset}},
      .inputs = {{.type = x, .shape = {tokens(), s.k}, .strided = true},
                 {.type = w,
                  .shape = {2 * s.n, s.k},
                  .scale = 2 / std::sqrt(static_cast<double>(s.k)),
                  .constant = true,
                  .segments = s.segments},
                 {.type = x, .shape = {2 * s.n}, .constant = true, .absent = !s.bias},
                 {.type = w, .shape = {s.k}, .scale = 0.5, .constant = true}},
      .symbols = {{"tokens", s.m}},
      .strided_outputs = true};
  // On top of what gated_linear's cases allow for the products: the norm's elements are rounded by
  // up to r / 2, which moves gates and ups (of deviations of 2 or less) by r / sqrt(3) as a
  // deviation; six of both, of ups and gates within four deviations, are 8 r of y's root mean
  // square.
  if (x != DType::kFloat32) {
    const double r = x == DType::kBFloat16 ? 0x1p-8 : 0x1p-11;
    const Tolerance table = tolerance(x.dtype);
    c.allowed = Tolerance{table.relative + 2.3 * r, table.of_rms + 9 * r};
  }
  return c;
}

std::vector<OpCase> rms_norm_gated_linear_cases() {
  std::vector<NormedGatedShape> shapes;
  for (const char* t : {"bfloat16", "float16", "float32"}) {
    const auto add = [&](const std::string& name, NormedGatedShape s) {
      s.name = fmt::format("{}_rows{}_{}", name, s.m, t);
      s.x = t;
      shapes.push_back(std::move(s));
    };
    for (int64_t m : {1, 2, 3, 5, 8}) {
      add("odd", {"", m, 519, 1056, "", true, 2});
      add("offset", {"", m, 24, 1024, "", false, 1, "gelu_tanh", 1.0});
    }
    for (const char* activation : {"silu", "relu", "gelu", "gelu_tanh"}) {
      for (int64_t m : {1, 4}) add(activation, {"", m, 45, 96, "", true, 1, activation});
    }
    add("pieces", {"", 7, 99, 64, "", true, 8});
    add("k8", {"", 4, 33, 8});
    add("narrow", {"", 8, 1, 512});
    add("long", {"", 1, 300, 4096, "", false, 2});
    add("long", {"", 3, 128, 14336});
  }
  for (const char* w : {"bfloat16", "float16"}) {
    shapes.push_back({fmt::format("float32_{}", w), 3, 45, 136, "float32", true, 2, "silu", 0, w});
  }
  // Llama 3 8B's columns.
  for (int64_t m : {1, 8}) {
    shapes.push_back({fmt::format("llama8b_rows{}", m), m, 14336, 256, "bfloat16", false, 2});
  }
  std::vector<OpCase> cases;
  cases.reserve(shapes.size());
  for (const NormedGatedShape& s : shapes) cases.push_back(normed_gated_case(s));
  return cases;
}

INGOT_GPU_OP_TEST(rms_norm_gated_linear);

// x = {3, 4} has a root mean square of sqrt(12.5), which epsilon makes 10: the norm is {0.3, 0.8}.
TEST(rms_norm_gated_linear, is_its_definition) {
  const std::vector<Operand> inputs = {floats({1, 2}, {3, 4}), floats({2, 2}, {1, 0, 1, 1}),
                                       floats({2}, {0.7, -0.1}), floats({2}, {1, 2})};
  const Attrs attrs = {{"epsilon", 87.5}};
  check_reference("rms_norm_gated_linear", attrs, inputs, {floats({1, 1}, {0.731058579})});
  check_reference("rms_norm_gated_linear", attrs, {inputs[0], inputs[1], absent(), inputs[3]},
                  {floats({1, 1}, {1.1 * 0.3 / (1 + std::exp(-0.3))})});
  check_reference("rms_norm_gated_linear",
                  {{"activation", std::string("relu")}, {"epsilon", 87.5}, {"weight_offset", 1.0}},
                  inputs, {floats({1, 1}, {1.3 * 1.7})});
}

TEST(rms_norm_gated_linear, refuses_what_does_not_fit) {
  const auto operand = [](DType type, const Shape& shape) {
    return typed(type, shape, std::vector<double>(static_cast<size_t>(element_count(shape))));
  };
  const Operand x = operand(DType::kFloat32, {3, 4}), w = operand(DType::kFloat32, {6, 4});
  const Operand norm = operand(DType::kFloat32, {4});
  const auto refused = [](const std::vector<Operand>& inputs, std::string_view part,
                          const Attrs& attrs = {}) {
    check_refused("rms_norm_gated_linear", attrs, inputs, part);
  };
  refused({x, w, absent(), norm}, "unknown activation 'tanh'",
          {{"activation", std::string("tanh")}});
  refused({x, w, absent(), operand(DType::kFloat32, {3})}, "norm weight float32[3] does not fit");
  refused({x, operand(DType::kFloat32, {7, 4}), absent(), norm}, "has no halves");
  refused({operand(DType::kFloat32, {}), w, absent(), norm}, "expected float input");
  refused({x}, "input 3 is missing (1 given)");
  refused({x, w}, "input 3 is missing (2 given)");
}

// A layer of a decoder from the projection of its attention on.
TEST(rms_norm_gated_linear, takes_the_norm_between_attention_and_the_gate) {
  StepTable steps;
  const int x = steps.input({DType::kFloat16, {tokens(), 16}});
  const int residual = steps.input({DType::kFloat16, {tokens(), 8}});
  const int o = steps.weight({DType::kFloat16, {8, 16}});
  const int norm = steps.weight({DType::kFloat16, {8}});
  const int gate_up = steps.weight({DType::kFloat16, {48, 8}});
  const int product = steps.add("linear", {}, {x, o})[0];
  const auto sums = steps.add("add_rms_norm", {{"epsilon", 1e-6}}, {product, residual, norm}, 2);
  const int both = steps.add("linear", {}, {sums[1], gate_up})[0];
  const auto halves =
      steps.add("split_columns", {{"widths", std::vector<int64_t>{24, 24}}}, {both}, 2);
  const int out = steps.add("act_mul", {{"activation", std::string("gelu")}}, halves)[0];
  const auto match = steps.match("rms_norm_gated_linear");
  ASSERT_TRUE(match);
  EXPECT_EQ(match->covers, (std::vector<size_t>{0, 1, 2, 3, 4}));
  ASSERT_EQ(match->steps.size(), 2u);
  EXPECT_EQ(match->steps[0].op, "linear_add");
  EXPECT_EQ(match->steps[0].outputs, (std::vector<int>{sums[0]}));
  EXPECT_EQ(match->steps[1].op, "rms_norm_gated_linear");
  EXPECT_EQ(match->steps[1].inputs, (std::vector<int>{sums[0], gate_up, kNoValue, norm}));
  EXPECT_EQ(match->steps[1].outputs, (std::vector<int>{out}));
  EXPECT_EQ(attrs_text(match->steps[1].attrs),
            attrs_text({{"activation", std::string("gelu")}, {"epsilon", 1e-6}}));
}

}  // namespace ingot::test
