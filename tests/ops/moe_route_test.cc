#include <cmath>

#include "base/error.h"
#include "tests/ops/harness.h"

namespace ingot::test {

struct RouteShape {
  std::string name;
  int64_t tokens, experts, k;
  std::string type = "float32";
  Attrs more = {};
  double step = 0;  // of logits
  bool bias = false;
  std::vector<Spot> spots = {};
};

std::vector<OpCase> moe_route_cases() {
  std::vector<RouteShape> shapes;
  for (int64_t experts : {4, 8, 60, 128, 256}) {
    for (int64_t k : {1, 2, 8}) {
      if (k > experts) continue;
      for (int64_t tokens : {1, 37, 300}) {
        const char* type = tokens == 37 ? "bfloat16" : k == 8 ? "float16" : "float32";
        shapes.push_back(
            {fmt::format("experts{}_k{}_tokens{}", experts, k, tokens), tokens, experts, k, type});
      }
    }
  }
  shapes.push_back({"all_experts", 9, 7, 7});
  shapes.push_back({"most_experts", 3, 512, 32});
  shapes.push_back({"more_than_a_warp_chooses", 2, 600, 40});
  const Attrs plain = {{"normalise", false}};
  const Attrs sigmoid = {{"scoring", std::string("sigmoid")}, {"scale", 2.5}};
  for (int64_t experts : {4, 40, 128}) {
    const std::string tag = fmt::format("_experts{}", experts);
    shapes.push_back({"ties" + tag, 64, experts, 2, "float32", {}, 1.0});
    shapes.push_back({"all_equal" + tag, 5, experts, 3, "float32", {}, 1e6});
    shapes.push_back({"not_normalised" + tag, 21, experts, 2, "bfloat16", plain});
    shapes.push_back({"sigmoid" + tag, 21, experts, 4, "float32", sigmoid});
    shapes.push_back({"sigmoid_bias" + tag, 21, experts, 4, "float32", sigmoid, 0, true});
    shapes.push_back({"softmax_bias" + tag, 21, experts, 2, "float32", plain, 0, true});
    shapes.push_back(
        {"faulty" + tag,
         6,
         experts,
         3,
         "float32",
         {},
         0,
         false,
         {{0, 1, NAN}, {1, -1, NAN}, {2, -1, -INFINITY}, {3, 2, INFINITY}, {4, 0, -INFINITY}}});
    shapes.push_back({"faulty_sigmoid" + tag,
                      4,
                      experts,
                      4,
                      "float32",
                      sigmoid,
                      0,
                      true,
                      {{0, 1, NAN}, {1, -1, NAN}, {2, -1, -1e9}}});
  }
  std::vector<OpCase> cases;
  for (const RouteShape& s : shapes) {
    OpCase c = {.name = s.name,
                .op = "moe_route",
                .attrs = s.more,
                .inputs = {{.type = parse_element_type(s.type),
                            .shape = {tokens(), s.experts},
                            .scale = 2.0,
                            .strided = true,
                            .step = s.step,
                            .spots = s.spots}},
                .symbols = {{"tokens", s.tokens}},
                .outputs = 2};
    c.attrs["k"] = s.k;
    if (s.bias) {
      c.inputs.push_back(
          {.type = DType::kFloat32, .shape = {s.experts}, .scale = 0.2, .constant = true});
    }
    cases.push_back(std::move(c));
  }
  by_reference_on_gpu(cases, {"more_than_a_warp_chooses"});
  return cases;
}

INGOT_OP_TEST(moe_route);

TEST(moe_route, refuses_what_does_not_fit) {
  const auto accepted = [](const Attrs& attrs, const std::vector<ValueType>& types) {
    std::vector<const ValueType*> inputs;
    inputs.reserve(types.size());
    for (const ValueType& type : types) inputs.push_back(&type);
    const auto no_constant = [](size_t) -> const TensorView* { return nullptr; };
    try {
      get_op("moe_route").infer({"moe_route", inputs, attrs, no_constant, 2});
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return false;
    }
  };
  const ValueType logits = {DType::kFloat32, {tokens(), 8}}, bias = {DType::kFloat32, {8}};
  const Attrs two = {{"k", int64_t{2}}};
  EXPECT_TRUE(accepted(two, {logits}));
  EXPECT_TRUE(accepted(two, {logits, bias}));
  EXPECT_FALSE(accepted({}, {logits}));
  EXPECT_FALSE(accepted({{"k", int64_t{9}}}, {logits}));
  EXPECT_FALSE(accepted({{"k", int64_t{2}}, {"scoring", std::string("tanh")}}, {logits}));
  EXPECT_FALSE(accepted(two, {{DType::kFloat32, {tokens(), 8, 1}}}));
  EXPECT_FALSE(accepted(two, {{DType::kInt32, {tokens(), 8}}}));
  EXPECT_FALSE(accepted(two, {{DType::kFloat32, {tokens(), Dim::symbol("experts")}}}));
  EXPECT_FALSE(accepted(two, {logits, {DType::kFloat32, {7}}}));
  EXPECT_FALSE(accepted(two, {logits, bias, bias}));
}

}  // namespace ingot::test
