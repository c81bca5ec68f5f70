#include <cmath>

#include "base/error.h"
#include "tests/ops/harness.h"

namespace ingot::test {

struct ExpertsShape {
  std::string name;
  int64_t tokens, experts, k, hidden, inner;
  std::string x = "float32", gate = "float32", down = "float32";
  bool apart = true;
  std::string activation = "silu";
  std::vector<int64_t> ids = {};  // over and over; empty: all experts alike, others of each token
  int segments = 1;
};

std::vector<int64_t> repeated(const ExpertsShape& s) {
  std::vector<int64_t> out(static_cast<size_t>(s.tokens * s.k));
  for (size_t i = 0; i < out.size(); ++i) {
    // 7 has no factor in common with the counts of experts here.
    out[i] =
        s.ids.empty() ? static_cast<int64_t>(7 * i + i / 64) % s.experts : s.ids[i % s.ids.size()];
  }
  return out;
}

OpCase experts_case(const ExpertsShape& s) {
  const auto weights = [&](const std::string& type, int64_t rows, int64_t columns) {
    return CaseInput{.type = parse_element_type(type),
                     .shape = {s.experts, rows, columns},
                     .scale = 1 / std::sqrt(static_cast<double>(columns)),
                     .constant = true,
                     .segments = s.segments};
  };
  OpCase c = {
      .name = s.name,
      .op = "moe_ffn",
      .attrs = {{"activation", s.activation}},
      .inputs = {{.type = parse_element_type(s.x), .shape = {tokens(), s.hidden}, .strided = true},
                 {.type = DType::kInt32,
                  .shape = {tokens(), s.k},
                  .fill = Fill::kValues,
                  .values = repeated(s)},
                 {.type = DType::kFloat32, .shape = {tokens(), s.k}, .scale = 0.7},
                 weights(s.gate, s.apart ? s.inner : 2 * s.inner, s.hidden),
                 weights(s.down, s.hidden, s.inner)},
      .symbols = {{"tokens", s.tokens}},
      .strided_outputs = true};
  if (s.apart) c.inputs.push_back(weights(s.gate, s.inner, s.hidden));
  // What goes into down is rounded, and sums in another order may round a value of 2 to 4 the other
  // way: 2^-6 (bfloat16) or 2^-9 (float16), times a weight of three deviations at 64 columns, 3 /
  // 8, is 1.5 % or 0.2 % of the output's root mean square of about 0.4. A row or a run of columns
  // left out is off by more.
  if (s.x == "bfloat16") c.allowed = Tolerance{0x1p-7, 0.016};
  if (s.x == "float16") c.allowed = Tolerance{0x1p-10, 0.002};
  return c;
}

std::vector<OpCase> moe_ffn_cases() {
  std::vector<ExpertsShape> shapes;
  for (int64_t experts : {4, 8, 128}) {
    for (int64_t k : {1, 2, 8}) {
      if (k > experts) continue;
      for (int64_t tokens : {1, 2, 5, 33, 300}) {
        for (const char* type : {"float32", "bfloat16", "float16"}) {
          if (type == std::string("float16") && tokens != 33) continue;
          shapes.push_back({fmt::format("experts{}_k{}_tokens{}_{}", experts, k, tokens, type),
                            tokens, experts, k, 64, 96, type, type, type});
        }
      }
    }
  }
  for (const char* t : {"float32", "bfloat16", "float16"}) {
    const auto add = [&](const std::string& name, int64_t tokens, int64_t experts, int64_t k,
                         int64_t hidden, int64_t inner, bool apart = true,
                         const std::string& activation = "silu",
                         const std::vector<int64_t>& ids = {}) {
      shapes.push_back(
          {name + "_" + t, tokens, experts, k, hidden, inner, t, t, t, apart, activation, ids});
    };
    // Ends of tiles along every size; lengths that fill no tile.
    add("smallest", 1, 1, 1, 8, 8);
    add("ends", 70, 3, 2, 200, 136);
    add("long_ends", 9, 2, 1, 520, 264);
    add("odd_sizes", 5, 4, 2, 37, 13);
    add("gate_up", 40, 4, 2, 72, 80, false);
    add("gelu", 6, 4, 2, 64, 64, true, "gelu");
    add("gelu_tanh", 6, 4, 2, 64, 64, true, "gelu_tanh");
    add("relu", 6, 4, 2, 64, 64, false, "relu");
    // Experts without a token; ids outside, as of padding; one expert twice.
    add("one_expert", 300, 8, 1, 64, 64, true, "silu", {3});
    add("two_of_many", 150, 128, 2, 64, 32, true, "silu", {127, 0, 0, 127, 5, 127});
    add("outside", 20, 8, 2, 64, 64, true, "silu", {1, -1, 8, 2, -1, -1, 7, 0});
    add("twice", 9, 4, 2, 64, 64, true, "silu", {2, 2, 1, 3});
  }
  // Shapes of Mixtral and Qwen3-30B-A3B, narrowed.
  shapes.push_back({"mixtral", 9, 8, 2, 512, 1792, "bfloat16", "bfloat16", "bfloat16"});
  shapes.push_back({"mixtral_decode", 1, 8, 2, 1024, 1792, "bfloat16", "bfloat16", "bfloat16"});
  shapes.push_back({"qwen3", 40, 128, 8, 256, 96, "bfloat16", "bfloat16", "bfloat16"});
  // Block formats, of one type or two, and weights that are wider or narrower than activations.
  for (const char* x : {"float32", "bfloat16"}) {
    for (int64_t tokens : {1, 11}) {
      const auto add = [&](const char* gate, const char* down, bool apart = true) {
        shapes.push_back({fmt::format("{}_{}_{}_tokens{}", gate, down, x, tokens), tokens, 4, 2,
                          256, 256, x, gate, down, apart});
      };
      add("q8_0", "q8_0");
      add("q4_1", "q8_0", false);
      add("q4_0", "q5_0");
      add("q4_k", "q6_k");
      add("float16", "q8_0");
    }
  }
  shapes.push_back({"f32_bf16", 7, 4, 2, 72, 40, "float32", "bfloat16", "bfloat16"});
  shapes.push_back({"f16_bf16", 7, 4, 2, 72, 40, "float16", "bfloat16", "bfloat16"});
  shapes.push_back(
      {"pieces", 7, 8, 2, 40, 56, "float32", "float32", "float32", true, "silu", {}, 3});
  shapes.push_back({"gate_up_pieces",
                    20,
                    8,
                    2,
                    64,
                    64,
                    "bfloat16",
                    "bfloat16",
                    "bfloat16",
                    false,
                    "silu",
                    {},
                    3});
  std::vector<OpCase> cases;
  cases.reserve(shapes.size());
  for (const ExpertsShape& s : shapes) cases.push_back(experts_case(s));
  by_reference_on_gpu(cases, {"odd_sizes_float32", "odd_sizes_bfloat16", "odd_sizes_float16",
                              "pieces", "gate_up_pieces"});
  return cases;
}

INGOT_OP_TEST(moe_ffn);

TEST(moe_ffn, refuses_what_does_not_fit) {
  const Dim t = tokens();
  const std::vector<ValueType> good = {
      {DType::kFloat32, {t, 16}},      {DType::kInt32, {t, 2}},
      {DType::kFloat32, {t, 2}},       {DType::kBFloat16, {4, 24, 16}},
      {DType::kBFloat16, {4, 16, 24}}, {DType::kBFloat16, {4, 24, 16}}};
  const auto accepted = [](const std::vector<ValueType>& types, const Attrs& attrs = {}) {
    std::vector<const ValueType*> inputs;
    inputs.reserve(types.size());
    for (const ValueType& type : types) inputs.push_back(&type);
    const auto no_constant = [](size_t) -> const TensorView* { return nullptr; };
    try {
      get_op("moe_ffn").infer({"moe_ffn", inputs, attrs, no_constant, 1});
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return false;
    }
  };
  const auto with = [&](size_t index, const ValueType& type) {
    std::vector<ValueType> types = good;
    types[index] = type;
    return types;
  };
  EXPECT_TRUE(accepted(good));
  EXPECT_FALSE(accepted(good, {{"activation", std::string("tanh")}}));
  EXPECT_FALSE(accepted({good.begin(), good.end() - 1}));  // then gate must hold both
  EXPECT_FALSE(accepted(with(0, {DType::kFloat32, {t, 15}})));
  EXPECT_FALSE(accepted(with(1, {DType::kInt64, {t, 2}})));
  EXPECT_FALSE(accepted(with(1, {DType::kInt32, {t, 3}})));
  EXPECT_FALSE(accepted(with(2, {DType::kBFloat16, {t, 2}})));
  EXPECT_FALSE(accepted(with(3, {DType::kBFloat16, {4, 25, 16}})));
  EXPECT_FALSE(accepted(with(4, {DType::kBFloat16, {5, 16, 24}})));
  EXPECT_FALSE(accepted(with(5, {DType::kFloat32, {4, 24, 16}})));
  EXPECT_FALSE(accepted(with(3, {DType::kInt32, {4, 24, 16}})));
}

}  // namespace ingot::test
