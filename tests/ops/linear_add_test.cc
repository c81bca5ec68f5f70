#include <cmath>

#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"
#include "tests/ops/step_table.h"

namespace ingot::test {

// name, rows, output columns, inputs, type of x, bias, pieces of the weight, its type, attribute
struct LinearAddShape {
  std::string name;
  int64_t m, n, k;
  std::string x = "bfloat16";
  bool bias = false;
  int segments = 1;
  std::string w = "";  // x's
  bool hold_next = false;
};

OpCase linear_add_case(const LinearAddShape& s) {
  const ElementType x = parse_element_type(s.x);
  OpCase c = {.name = s.name,
              .op = "linear_add",
              .inputs = {{.type = x, .shape = {tokens(), s.k}, .strided = true},
                         {.type = parse_element_type(s.w.empty() ? s.x : s.w),
                          .shape = {s.n, s.k},
                          .scale = 1 / std::sqrt(static_cast<double>(s.k)),
                          .constant = true,
                          .segments = s.segments},
                         {.type = x, .shape = {s.n}, .constant = true, .absent = !s.bias},
                         {.type = x, .shape = {tokens(), s.n}, .strided = true}},
              .symbols = {{"tokens", s.m}},
              .strided_outputs = true};
  if (s.hold_next) c.attrs["hold_next"] = true;
  // The decomposition rounds the product to x's type, by up to r of it; kernels keep it in float32.
  // With the bias it deviates by the square root of two where y does by that of three: five
  // deviations of it are 4.1 of y's root mean square.
  if (x != DType::kFloat32) {
    const double r = x == DType::kBFloat16 ? 0x1p-8 : 0x1p-11;
    const Tolerance table = tolerance(x.dtype);
    c.allowed = Tolerance{table.relative, table.of_rms + 4.1 * r};
  }
  return c;
}

std::vector<OpCase> linear_add_cases() {
  std::vector<LinearAddShape> shapes;
  for (const char* t : {"bfloat16", "float16", "float32"}) {
    const auto add = [&](const std::string& name, int64_t m, int64_t n, int64_t k,
                         bool bias = false, int segments = 1) {
      shapes.push_back({fmt::format("{}_rows{}_{}", name, m, t), m, n, k, t, bias, segments});
    };
    for (int64_t m : {1, 2, 3, 8, 9, 64, 300}) {
      // The last columns fill no group and no tile; K is 33 steps of 32. Rows of y, and with pieces
      // its first columns too, are aligned to single elements.
      add("odd", m, 519, 1056, true, 2);
      add("even", m, 48, 1024);
    }
    for (int64_t m : {1, 7, 64}) {
      add("pieces3", m, 30, 64, true, 3);
      add("pieces8", m, 99, 64, false, 8);
    }
    // K of one step, of fewer, of a multiple of 8 alone and of none.
    add("k32", 16, 19, 32, true);
    add("k8", 4, 33, 8);
    add("k40", 1, 21, 40, true, 2);
    add("k1032", 6, 17, 1032);
    for (int64_t m : {1, 19}) add("k100", m, 33, 100, true);
    add("k17", 5, 17, 17);
    // Fewer columns than a group has; whole rounds over the blocks and a rest; long K, with which
    // streamed layers use each of their stages again.
    add("narrow", 8, 1, 512);
    for (int64_t m : {1, 5, 16}) add("rounds", m, 2500, 576, m == 5, 2);
    add("long", 1, 300, 4096, false, 2);
    add("long", 3, 128, 14336);
    add("long", 16, 128, 8192, true, 2);
    add("long", 17, 128, 4096, true, 2);
  }
  for (const char* w : {"bfloat16", "float16"}) {
    for (int64_t m : {1, 3, 9}) {
      const std::string name = fmt::format("float32_{}_rows{}", w, m);
      shapes.push_back({name, m, 45, 136, "float32", true, 2, w});
    }
  }
  shapes.push_back({"q8_0", 3, 45, 96, "bfloat16", true, 2, "q8_0"});
  for (const char* w : {"bfloat16", "q8_0"}) {
    for (int64_t m : {1, 12}) {
      shapes.push_back({.name = fmt::format("hold_next_{}_rows{}", w, m),
                        .m = m,
                        .n = 45,
                        .k = 96,
                        .segments = 2,
                        .w = w,
                        .hold_next = true});
    }
  }
  // Llama 3 8B's down projection.
  for (int64_t m : {1, 8}) {
    shapes.push_back({fmt::format("llama8b_rows{}", m), m, 4096, 14336});
  }
  std::vector<OpCase> cases;
  cases.reserve(shapes.size());
  for (const LinearAddShape& s : shapes) cases.push_back(linear_add_case(s));
  // Plans have plain layers for these; this operator has no kernel of tiles.
  by_reference_on_gpu(cases,
                      {"k100_rows1_bfloat16", "k100_rows19_bfloat16", "k17_rows5_bfloat16",
                       "k100_rows1_float16", "k100_rows19_float16", "k17_rows5_float16",
                       "float32_bfloat16_rows9", "float32_float16_rows9", "hold_next_q8_0_rows12"});
  return cases;
}

INGOT_GPU_OP_TEST(linear_add);

// Products -1 and 4, in a second row 2 and 1.
TEST(linear_add, is_its_definition) {
  const Operand x = floats({2, 2}, {1, 2, 2, -1}), w = floats({2, 2}, {1, -1, 0, 2});
  const Operand bias = floats({2}, {0.5, -3}), residual = floats({2, 2}, {10, 20, 30, 40});
  const Operand product = floats({2, 2}, {9, 24, 33, 38});
  check_reference("linear_add", {}, {x, w, absent(), residual}, {product});
  check_reference("linear_add", {}, {x, w, bias, residual}, {floats({2, 2}, {9.5, 21, 33.5, 35})});
  check_reference("linear_add", {},
                  {floats({1, 2, 2}, x.values), w, absent(), floats({1, 2, 2}, residual.values)},
                  {floats({1, 2, 2}, product.values)});
}

// The product is rounded to x's type before the residual comes: 1 + 2^-8 is 1 in bfloat16, and
// 2^-8 that is left when 1 is taken away is not there.
TEST(linear_add, rounds_as_its_parts_do) {
  const auto type = DType::kBFloat16;
  check_reference("linear_add", {},
                  {typed(type, {1, 2}, {1, 0x1p-8}), typed(type, {1, 2}, {1, 1}), absent(),
                   typed(type, {1, 1}, {-1})},
                  {typed(type, {1, 1}, {0})}, 0);
}

TEST(linear_add, refuses_what_does_not_fit) {
  const auto operand = [](DType type, const Shape& shape) {
    return typed(type, shape, std::vector<double>(static_cast<size_t>(element_count(shape))));
  };
  const auto f32 = DType::kFloat32;
  const Operand x = operand(f32, {3, 4}), w = operand(f32, {6, 4}), r = operand(f32, {3, 6});
  const auto refused = [](const std::vector<Operand>& inputs, std::string_view part,
                          const Attrs& attrs = {}) {
    check_refused("linear_add", attrs, inputs, part);
  };
  refused({x, w, absent(), r}, "unknown attribute 'dtype'", {{"dtype", std::string("float32")}});
  refused({operand(DType::kInt32, {3, 4}), w, absent(), r}, "expected float input, found int32");
  refused({operand(f32, {}), w, absent(), r}, "expected float input");
  refused({x, operand(f32, {6, 5}), absent(), r}, "weight float32[6, 5] does not fit input");
  refused({x, operand(f32, {1, 6, 4}), absent(), r}, "does not fit input");
  refused({x, w, operand(f32, {3}), r}, "bias float32[3] does not fit weight");
  refused({x, w, operand(f32, {6, 1}), r}, "does not fit weight");
  refused({x, w, absent()}, "input 3 is missing");
  const auto differs = [&](const Operand& residual) {
    refused({x, w, absent(), residual}, "differs from the product float32[3, 6]");
  };
  differs(operand(f32, {6}));
  differs(operand(f32, {1, 6}));
  differs(operand(f32, {3, 4}));
  differs(operand(f32, {1, 3, 6}));
  differs(operand(DType::kBFloat16, {3, 6}));
}

// A residual, a linear layer of x over it, and what adds them, of bfloat16.
struct LayerAndSum {
  StepTable table;
  ValueType x_type{DType::kBFloat16, {tokens(), 8}}, sum_type{DType::kBFloat16, {tokens(), 6}};
  int x = table.input(x_type);
  int w = table.weight({DType::kBFloat16, {6, 8}});
  int bias = table.weight({DType::kBFloat16, {6}});
  int residual = table.input(sum_type);

  int linear(Attrs attrs = {}) { return table.add("linear", std::move(attrs), {x, w})[0]; }
  std::optional<FusionMatch> add(int a, int b) {
    table.add("add", {}, {a, b});
    return table.match("linear_add");
  }
};

TEST(linear_add, matches_a_layer_and_what_adds_it) {
  for (const bool second : {false, true}) {
    LayerAndSum t;
    const int product = t.linear();
    const auto match = second ? t.add(t.residual, product) : t.add(product, t.residual);
    ASSERT_TRUE(match);
    EXPECT_EQ(match->covers, (std::vector<size_t>{0, 1}));
    ASSERT_EQ(match->steps.size(), 1u);
    EXPECT_EQ(match->steps[0].op, "linear_add");
    EXPECT_TRUE(match->steps[0].attrs.empty());
    EXPECT_EQ(match->steps[0].inputs, (std::vector<int>{t.x, t.w, kNoValue, t.residual}));
    EXPECT_EQ(match->steps[0].outputs, std::vector<int>{product + 1});
  }
  LayerAndSum t;
  const int product = t.table.add("linear", {}, {t.x, t.w, t.bias})[0];
  const auto match = t.add(product, t.residual);
  ASSERT_TRUE(match);
  EXPECT_EQ(match->steps[0].inputs, (std::vector<int>{t.x, t.w, t.bias, t.residual}));
  EXPECT_FALSE(LayerAndSum().add(0, 0)) << "no layer at all";
}

TEST(linear_add, leaves_the_norm_of_the_sum_to_rms_norm) {
  for (const bool second : {false, true}) {
    LayerAndSum t;
    const int gain = t.table.weight({DType::kBFloat16, {6}});
    const int product = t.linear();
    const Attrs attrs = {{"epsilon", 0.25}};
    const auto pair = second ? std::vector{t.residual, product} : std::vector{product, t.residual};
    const std::vector<int> made = t.table.add("add_rms_norm", attrs, {pair[0], pair[1], gain}, 2);
    t.table.output(made[0]);
    t.table.output(made[1]);
    const auto match = t.table.match("linear_add");
    ASSERT_TRUE(match);
    EXPECT_EQ(match->covers, (std::vector<size_t>{0, 1}));
    ASSERT_EQ(match->steps.size(), 2u);
    EXPECT_EQ(match->steps[0].op, "linear_add");
    EXPECT_EQ(match->steps[0].inputs, (std::vector<int>{t.x, t.w, kNoValue, t.residual}));
    EXPECT_EQ(match->steps[0].outputs, std::vector<int>{made[0]});
    EXPECT_EQ(match->steps[1].op, "rms_norm");
    EXPECT_EQ(match->steps[1].attrs, attrs);
    EXPECT_EQ(match->steps[1].inputs, (std::vector<int>{made[0], gain}));
    EXPECT_EQ(match->steps[1].outputs, std::vector<int>{made[1]});
  }
}

// Of two layers that are added the first is taken, and the other where the first cannot be.
TEST(linear_add, takes_one_of_two_layers) {
  for (const bool kept : {false, true}) {
    LayerAndSum t;
    const int first = t.linear(), second = t.linear();
    if (kept) t.table.output(first);
    const auto match = t.add(first, second);
    ASSERT_TRUE(match);
    EXPECT_EQ(match->covers, (std::vector<size_t>{kept ? 1u : 0u, 2}));
    EXPECT_EQ(match->steps[0].inputs[3], kept ? first : second);
  }
}

TEST(linear_add, does_not_match_what_it_cannot_do) {
  {
    LayerAndSum t;
    const int product = t.linear();
    t.table.output(product);
    EXPECT_FALSE(t.add(product, t.residual)) << "the product is an output too";
  }
  {
    LayerAndSum t;
    const int product = t.linear();
    t.table.add("relu", {}, {product});
    EXPECT_FALSE(t.add(product, t.residual)) << "another step reads the product";
  }
  {
    LayerAndSum t;
    const int product = t.linear();
    EXPECT_FALSE(t.add(product, product)) << "it is its own residual";
  }
  {
    StepTable table;
    const ValueType vector = {DType::kFloat32, {8}};
    const int x = table.input(vector), w = table.weight({DType::kFloat32, {8, 8}});
    const int product = table.add("linear", {}, {x, w})[0];
    table.add("add_rms_norm", {}, {product, x, product}, 2);
    EXPECT_FALSE(table.match("linear_add")) << "the norm's weight is the product";
  }
  {
    LayerAndSum t;
    EXPECT_FALSE(t.add(t.linear(), t.bias)) << "the residual is spread over rows";
  }
  {
    LayerAndSum t;
    const int many = t.table.input({DType::kBFloat16, {3, tokens(), 6}});
    EXPECT_FALSE(t.add(t.linear(), many)) << "the product is spread over matrices";
  }
  {
    LayerAndSum t;
    const int made = t.table.input({DType::kBFloat16, {6, 8}});
    const int product = t.table.add("linear", {}, {t.x, made})[0];
    EXPECT_FALSE(t.add(product, t.residual)) << "the weight is computed";
  }
  {
    LayerAndSum t;
    const int residual = t.table.input({DType::kFloat32, {tokens(), 6}});
    EXPECT_FALSE(t.add(t.linear({{"dtype", std::string("float32")}}), residual))
        << "the sum is not of x's type";
  }
  {
    LayerAndSum t;
    t.table.add("mul", {}, {t.linear(), t.residual});
    EXPECT_FALSE(t.table.match("linear_add")) << "no addition";
  }
}

}  // namespace ingot::test
