#include <cmath>

#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"
#include "tests/ops/step_table.h"

namespace ingot::test {

// name, rows, output columns, inputs, type of x, bias, pieces of the weight, the norm's offset, ...
struct NormedShape {
  std::string name;
  int64_t m, n, k;
  std::string x = "bfloat16";
  bool bias = false;
  int segments = 1;
  double offset = 0;
  double scale = 1;    // of x
  std::string w = "";  // x's
};

OpCase normed_case(const NormedShape& s) {
  const ElementType x = parse_element_type(s.x);
  OpCase c = {.name = s.name,
              .op = "rms_norm_linear",
              .attrs = {{"epsilon", 1e-5}, {"weight_offset", s.offset}},
              .inputs = {{.type = x, .shape = {tokens(), s.k}, .scale = s.scale, .strided = true},
                         {.type = parse_element_type(s.w.empty() ? s.x : s.w),
                          .shape = {s.n, s.k},
                          .constant = true,
                          .segments = s.segments},
                         {.type = x, .shape = {s.n}, .constant = true, .absent = !s.bias},
                         {.type = parse_element_type(s.w.empty() ? s.x : s.w),
                          .shape = {s.k},
                          .constant = true}},
              .symbols = {{"tokens", s.m}},
              .strided_outputs = true};
  // The decomposition rounds each element of the norm by up to r of it, evenly: that moves a sum by
  // r / sqrt(3) of its root mean square, as a standard deviation, of which six are allowed on top
  // of the table.
  if (x != DType::kFloat32) {
    const double r = x == DType::kBFloat16 ? 0x1p-9 : 0x1p-12;
    const Tolerance table = tolerance(x.dtype);
    c.allowed = Tolerance{table.relative, table.of_rms + 6 * r / std::sqrt(3.0)};
  }
  return c;
}

std::vector<OpCase> rms_norm_linear_cases() {
  std::vector<NormedShape> shapes;
  for (const char* t : {"bfloat16", "float16", "float32"}) {
    const auto add = [&](const std::string& name, NormedShape s) {
      s.name = fmt::format("{}_rows{}_{}", name, s.m, t);
      s.x = t;
      shapes.push_back(std::move(s));
    };
    for (int64_t m : {1, 2, 3, 5, 8}) {
      add("odd", {"", m, 519, 1056, "", true, 2});
      add("offset", {"", m, 67, 576, "", false, 1, 1.0});
    }
    add("near_zero", {"", 1, 131, 256, "", false, 1, 0, 2e-3});  // epsilon counts
    add("large", {"", 3, 131, 256, "", false, 1, 0, 50});
    add("pieces", {"", 7, 99, 64, "", true, 8});
    add("k8", {"", 4, 33, 8});
    add("narrow", {"", 1, 3, 1056, "", true});
    add("long", {"", 1, 67, 9992});  // several rounds of warps that share K
    add("long", {"", 8, 300, 4096, "", false, 2});
  }
  for (const char* w : {"bfloat16", "float16"}) {
    for (int64_t m : {1, 3}) {
      shapes.push_back(
          {fmt::format("float32_rows{}_{}", m, w), m, 45, 136, "float32", true, 2, 0, 1, w});
    }
  }
  // Llama 3 8B's columns.
  for (int64_t m : {1, 8}) {
    shapes.push_back({fmt::format("llama8b_rows{}", m), m, 6144, 4096, "bfloat16", false, 3});
  }
  std::vector<OpCase> cases;
  cases.reserve(shapes.size());
  for (const NormedShape& s : shapes) cases.push_back(normed_case(s));
  return cases;
}

INGOT_GPU_OP_TEST(rms_norm_linear);

// x = {3, 4} has a root mean square of sqrt(12.5).
TEST(rms_norm_linear, is_its_definition) {
  const std::vector<Operand> inputs = {floats({1, 2}, {3, 4}), floats({2, 2}, {1, 0, 2, 1}),
                                       floats({2}, {0.5, -1}), floats({2}, {1, 2})};
  const double one = 1 / std::sqrt(12.5);
  const Attrs exact = {{"epsilon", 0.0}};
  check_reference("rms_norm_linear", exact, inputs,
                  {floats({1, 2}, {3 * one + 0.5, 14 * one - 1})});
  check_reference("rms_norm_linear", exact, {inputs[0], inputs[1], absent(), inputs[3]},
                  {floats({1, 2}, {3 * one, 14 * one})});
  check_reference("rms_norm_linear", {{"epsilon", 37.5}, {"weight_offset", 1.0}}, inputs,
                  {floats({1, 2}, {6 / std::sqrt(50.0) + 0.5, 24 / std::sqrt(50.0) - 1})});
}

TEST(rms_norm_linear, refuses_what_does_not_fit) {
  const auto operand = [](DType type, const Shape& shape) {
    return typed(type, shape, std::vector<double>(static_cast<size_t>(element_count(shape))));
  };
  const Operand x = operand(DType::kFloat32, {3, 4}), w = operand(DType::kFloat32, {6, 4});
  const Operand norm = operand(DType::kFloat32, {4});
  const auto refused = [](const std::vector<Operand>& inputs, std::string_view part,
                          const Attrs& attrs = {}) {
    check_refused("rms_norm_linear", attrs, inputs, part);
  };
  refused({x, w, absent(), operand(DType::kFloat32, {6})},
          "norm weight float32[6] does not fit input float32[3, 4]");
  refused({x, w, absent(), operand(DType::kInt32, {4})}, "norm weight int32[4] does not fit");
  refused({x, operand(DType::kFloat32, {6, 5}), absent(), norm}, "does not fit input");
  refused({operand(DType::kFloat32, {}), w, absent(), norm}, "expected float input");
  refused({x, w, operand(DType::kFloat32, {3}), norm}, "bias float32[3] does not fit weight");
  refused({x, w, absent(), norm}, "unknown attribute 'group'", {{"group", int64_t{2}}});
}

struct Layers {
  StepTable steps;
  int x = steps.input({DType::kBFloat16, {tokens(), 16}});
  int residual = steps.input({DType::kBFloat16, {tokens(), 8}});
  int first = steps.weight({DType::kBFloat16, {8, 16}});
  int norm = steps.weight({DType::kBFloat16, {8}});
  int second = steps.weight({DType::kBFloat16, {24, 8}});
};

// The residual goes into the layer before, the norm into the one behind.
TEST(rms_norm_linear, takes_the_norm_between_two_layers) {
  Layers l;
  const int product = l.steps.add("linear", {}, {l.x, l.first})[0];
  const auto sums =
      l.steps.add("add_rms_norm", {{"epsilon", 1e-6}}, {l.residual, product, l.norm}, 2);
  const int out = l.steps.add("linear", {}, {sums[1], l.second})[0];
  const auto match = l.steps.match("rms_norm_linear");
  ASSERT_TRUE(match);
  EXPECT_EQ(match->covers, (std::vector<size_t>{0, 1, 2}));
  ASSERT_EQ(match->steps.size(), 2u);
  EXPECT_EQ(match->steps[0].op, "linear_add");
  EXPECT_EQ(match->steps[0].inputs, (std::vector<int>{l.x, l.first, kNoValue, l.residual}));
  EXPECT_EQ(match->steps[0].outputs, (std::vector<int>{sums[0]}));
  EXPECT_EQ(attrs_text(match->steps[0].attrs), attrs_text({{"hold_next", true}}));
  EXPECT_EQ(match->steps[1].op, "rms_norm_linear");
  EXPECT_EQ(match->steps[1].inputs, (std::vector<int>{sums[0], l.second, kNoValue, l.norm}));
  EXPECT_EQ(match->steps[1].outputs, (std::vector<int>{out}));
  EXPECT_EQ(attrs_text(match->steps[1].attrs), attrs_text({{"epsilon", 1e-6}}));
}

TEST(rms_norm_linear, takes_a_norm_by_itself) {
  Layers l;
  const int bias = l.steps.weight({DType::kBFloat16, {24}});
  const int y = l.steps.add("rms_norm", {{"weight_offset", 1.0}}, {l.residual, l.norm})[0];
  l.steps.add("linear", {}, {y, l.second, bias});
  const auto match = l.steps.match("rms_norm_linear");
  ASSERT_TRUE(match);
  EXPECT_EQ(match->covers, (std::vector<size_t>{0, 1}));
  ASSERT_EQ(match->steps.size(), 1u);
  EXPECT_EQ(match->steps[0].inputs, (std::vector<int>{l.residual, l.second, bias, l.norm}));
  EXPECT_EQ(attrs_text(match->steps[0].attrs), attrs_text({{"weight_offset", 1.0}}));
}

TEST(rms_norm_linear, leaves_other_norms_alone) {
  const auto match = [](const Attrs& norm, const Attrs& linear, bool read_twice) {
    Layers l;
    const int width = norm.count("group") > 0 ? l.steps.weight({DType::kBFloat16, {4}}) : l.norm;
    const int y = l.steps.add("rms_norm", norm, {l.residual, width})[0];
    if (read_twice) l.steps.add("relu", {}, {y});
    l.steps.add("linear", linear, {y, l.second});
    return l.steps.match("rms_norm_linear").has_value();
  };
  EXPECT_TRUE(match({}, {}, false));
  EXPECT_FALSE(match({}, {}, true));
  EXPECT_FALSE(match({{"group", int64_t{4}}}, {}, false));
  EXPECT_FALSE(match({}, {{"dtype", std::string("float32")}}, false));
}

// A vector may be both a layer's input and its bias.
TEST(rms_norm_linear, leaves_a_norm_that_is_a_bias_too) {
  for (const bool twice : {false, true}) {
    StepTable steps;
    const ValueType vector = {DType::kFloat32, {8}};
    const int x = steps.input(vector), norm = steps.weight(vector), bias = steps.weight(vector);
    const int w = steps.weight({DType::kFloat32, {8, 8}});
    const int y = steps.add("rms_norm", {}, {x, norm})[0];
    steps.add("linear", {}, {y, w, twice ? y : bias});
    EXPECT_EQ(steps.match("rms_norm_linear").has_value(), !twice);
  }
}

// An add_rms_norm makes the sum too: a layer that reads it norms nothing, whoever reads the norm.
TEST(rms_norm_linear, leaves_a_layer_of_the_sum_alone) {
  Layers l;
  const int product = l.steps.add("linear", {}, {l.x, l.first})[0];
  const auto sums = l.steps.add("add_rms_norm", {}, {product, l.residual, l.norm}, 2);
  l.steps.output(sums[1]);
  l.steps.add("linear", {}, {sums[0], l.second});
  EXPECT_FALSE(l.steps.match("rms_norm_linear"));
}

// A layer that adds the residual and norms as well would do both once for each of its columns.
TEST(rms_norm_linear, wants_a_layer_for_the_residual) {
  Layers l;
  const int other = l.steps.input({DType::kBFloat16, {tokens(), 8}});
  const auto sums = l.steps.add("add_rms_norm", {}, {l.residual, other, l.norm}, 2);
  l.steps.add("linear", {}, {sums[1], l.second});
  EXPECT_FALSE(l.steps.match("rms_norm_linear"));
}

}  // namespace ingot::test
