#include <cmath>

#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

// name, rows, output columns, inputs, type of x, bias, pieces of the weight, activation
struct GatedShape {
  std::string name;
  int64_t m, n, k;
  std::string x = "bfloat16";
  bool bias = false;
  int segments = 1;
  std::string activation = "silu";
  std::string w = "";  // x's
};

OpCase gated_case(const GatedShape& s) {
  const ElementType x = parse_element_type(s.x);
  OpCase c = {.name = s.name,
              .op = "gated_linear",
              .attrs = {{"activation", s.activation}},
              .inputs = {{.type = x, .shape = {tokens(), s.k}, .strided = true},
                         {.type = parse_element_type(s.w.empty() ? s.x : s.w),
                          .shape = {2 * s.n, s.k},
                          .scale = 2 / std::sqrt(static_cast<double>(s.k)),
                          .constant = true,
                          .segments = s.segments}},
              .symbols = {{"tokens", s.m}},
              .strided_outputs = true};
  if (s.bias) c.inputs.push_back({.type = x, .shape = {2 * s.n}, .constant = true});
  // The decomposition rounds gate g and up u to x's type, by up to r of each; kernels keep them in
  // float32. Of the result y that is r for u, and for g r |g act'(g) / act(g)|, at most 1.3 r where
  // g > 0. Below, where act(g) may be next to nothing, it is r |g act'(g) u| <= 0.27 r |u|: with
  // |u| within five deviations and act(g) of 1.33 of them (silu of a deviation of 2, the least of
  // the four), 1.02 r of y's root mean square. Both come on top of the table.
  if (x != DType::kFloat32) {
    const double r = x == DType::kBFloat16 ? 0x1p-8 : 0x1p-11;
    const Tolerance table = tolerance(x.dtype);
    c.allowed = Tolerance{table.relative + 2.3 * r, table.of_rms + 1.02 * r};
  }
  return c;
}

std::vector<OpCase> gated_linear_cases() {
  std::vector<GatedShape> shapes;
  for (const char* t : {"bfloat16", "float16", "float32"}) {
    const auto add = [&](const std::string& name, int64_t m, int64_t n, int64_t k,
                         bool bias = false, int segments = 1, const char* activation = "silu") {
      if (t == std::string("float32") && m > 8) return;  // no kernel beside the reference
      shapes.push_back(
          {fmt::format("{}_rows{}_{}", name, m, t), m, n, k, t, bias, segments, activation});
    };
    for (int64_t m : {1, 2, 3, 5, 8, 9, 16}) {
      // The last columns fill no group and no tile; K is 33 steps of 32.
      add("odd", m, 519, 1056, true, 2);
      add("even", m, 24, 1024);
    }
    for (const char* activation : {"silu", "relu", "gelu", "gelu_tanh"}) {
      for (int64_t m : {1, 4, 11}) add(activation, m, 45, 96, true, 1, activation);
    }
    // Pieces that end within the gate, at its end and within the up.
    for (int64_t m : {1, 7, 13}) {
      add("pieces3", m, 30, 64, true, 3);
      add("pieces8", m, 99, 64, false, 8);
    }
    // K of one step, of fewer and of a multiple of 8 alone.
    add("k32", 16, 19, 32, true);
    add("k8", 4, 33, 8);
    add("k40", 1, 21, 40, true, 2);
    add("k1032", 6, 17, 1032);
    // Fewer columns than a group has; whole rounds over the blocks and a rest; long K.
    add("narrow", 8, 1, 512);
    add("narrow", 16, 3, 512, false, 2);
    for (int64_t m : {1, 5, 16}) add("rounds", m, 2500, 576, m == 5, 2);
    add("long", 1, 300, 4096, false, 2);
    add("long", 3, 128, 14336);
    add("long", 16, 128, 8192, true, 2);
  }
  for (const char* w : {"bfloat16", "float16"}) {
    shapes.push_back({fmt::format("float32_{}", w), 3, 45, 136, "float32", true, 2, "silu", w});
  }
  // Llama 3 8B's columns.
  for (int64_t m : {1, 8}) {
    shapes.push_back({fmt::format("llama8b_rows{}", m), m, 14336, 256, "bfloat16", false, 2});
  }
  std::vector<OpCase> cases;
  cases.reserve(shapes.size());
  for (const GatedShape& s : shapes) cases.push_back(gated_case(s));
  return cases;
}

INGOT_GPU_OP_TEST(gated_linear);

// Gates 1.5 and -1, ups 4 and 1.
TEST(gated_linear, is_its_definition) {
  const std::vector<Operand> inputs = {floats({1, 2}, {1, 2}),
                                       floats({4, 2}, {1, 0, 0, 1, 1, 1, 2, -0.5}),
                                       floats({4}, {0.5, -3, 1, 0})};
  const auto check = [&](const Attrs& attrs, double first, double second) {
    check_reference("gated_linear", attrs, inputs, {floats({1, 2}, {first, second})});
  };
  check({}, 4.905446857, -0.268941421);
  check({{"activation", std::string("silu")}}, 4.905446857, -0.268941421);
  check({{"activation", std::string("relu")}}, 6, 0);
  check({{"activation", std::string("gelu")}}, 5.599156792, -0.158655254);
  check({{"activation", std::string("gelu_tanh")}}, 5.598286308, -0.158808009);
  // Without a bias: gates 1 and 2, ups 3 and 1.
  check_reference("gated_linear", {}, {inputs[0], inputs[1]},
                  {floats({1, 2}, {2.193175736, 1.761594156})});
  check_reference("gated_linear", {}, {inputs[0], inputs[1], absent()},
                  {floats({1, 2}, {2.193175736, 1.761594156})});
}

// Both products are rounded to x's type before they meet: 1 + 2^-8 is 1 in bfloat16, 3 times it is
// not.
TEST(gated_linear, rounds_as_its_parts_do) {
  const auto type = DType::kBFloat16;
  check_reference("gated_linear", {{"activation", std::string("relu")}},
                  {typed(type, {1, 2}, {1, 0x1p-8}), typed(type, {2, 2}, {3, 0, 1, 1})},
                  {typed(type, {1, 1}, {3})}, 0);
}

TEST(gated_linear, refuses_what_does_not_fit) {
  const auto operand = [](DType type, const Shape& shape) {
    return typed(type, shape, std::vector<double>(static_cast<size_t>(element_count(shape))));
  };
  const Operand x = operand(DType::kFloat32, {3, 4}), w = operand(DType::kFloat32, {6, 4});
  const auto refused = [](const std::vector<Operand>& inputs, std::string_view part,
                          const Attrs& attrs = {}) {
    check_refused("gated_linear", attrs, inputs, part);
  };
  refused({x, w}, "unknown activation 'tanh'", {{"activation", std::string("tanh")}});
  refused({x, w}, "dtype", {{"dtype", std::string("float32")}});
  refused({operand(DType::kInt32, {3, 4}), w}, "expected float input, found int32[3, 4]");
  refused({operand(DType::kFloat32, {}), w}, "expected float input");
  refused({x, operand(DType::kFloat32, {6, 5})}, "weight float32[6, 5] does not fit input");
  refused({x, operand(DType::kFloat32, {1, 6, 4})}, "does not fit input");
  refused({x, operand(DType::kFloat32, {7, 4})}, "weight float32[7, 4] has no halves");
  refused({x, operand(DType::kFloat32, {0, 4})}, "has no halves");
  refused({x, w, operand(DType::kFloat32, {3})}, "bias float32[3] does not fit weight");
  refused({x, w, operand(DType::kFloat32, {6, 1})}, "does not fit weight");

  const ValueType input{DType::kFloat32, {tokens(), 4}};
  const ValueType open{DType::kFloat32, {Dim::symbol("rows"), 4}};
  const std::vector<const ValueType*> types = {&input, &open};
  const auto no_constant = [](size_t) -> const TensorView* { return nullptr; };
  EXPECT_THROW(get_op("gated_linear").infer({"gated_linear", types, {}, no_constant, 1}), Error);
}

}  // namespace ingot::test
