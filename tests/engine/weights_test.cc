#include "engine/weights.h"

#include "tests/engine/small_engine.h"

namespace ingot {
namespace {

// Adds a weight of one float32 tensor to a body; its bytes go to the engine that holds the body.
int body_weight(EngineMaker& body, const std::string& name, int tensor) {
  const int id = body.value(PlanValue::Kind::kWeight, name, {DType::kFloat32, {Dim(3)}});
  body.plan().values.back().segments = {tensor};
  return id;
}

// Value names are unique inside one graph only: both branches call their weight "k".
TEST(weight_store, weights_of_one_name_in_two_bodies_keep_their_own_bytes) {
  const auto device = make_cpu_device(1);
  EngineMaker outer;
  for (int branch : {0, 1}) {
    EngineMaker body("branch");
    const int x = body.input("b", DType::kFloat32, {Dim(3)});
    body.output(body.step("add", {}, {x, body_weight(body, "k", branch)})[0], "r");
    outer.plan().subplans.push_back(body.plan());
  }
  const int condition = outer.input("condition", DType::kBool, {});
  const int x = outer.input("x", DType::kFloat32, {Dim(3)});
  const auto out = outer.step("if", {{"then_graph", int64_t{0}}, {"else_graph", int64_t{1}}},
                              {condition, x}, 1, StepKind::kIf);
  outer.output(out[0], "y");
  const auto engine = outer.finish({});
  const std::vector<std::vector<float>> weights = {{10, 20, 30}, {100, 200, 300}};
  for (const std::vector<float>& weight : weights) {
    const auto data = std::make_shared<std::vector<float>>(weight);
    engine->plan.tensors.push_back(
        {"k." + std::to_string(engine->tensors.size()), DType::kFloat32, {3}});
    engine->tensors.push_back(std::as_bytes(std::span(*data)));
    engine->owners.push_back(data);
  }
  Executor executor(engine, *device);
  std::vector<float> values = {1, 2, 3};
  for (uint8_t yes : {1, 0, 1}) {
    std::vector<uint8_t> flag = {yes};
    executor.set_input("condition", host_view(flag, {}));
    executor.set_input("x", host_view(values, {3}));
    executor.run();
    const std::vector<float>& k = weights[yes ? 0 : 1];
    EXPECT_THAT(floats_of(executor.output("y")),
                testing::ElementsAre(1 + k[0], 2 + k[1], 3 + k[2]));
  }
}

// A random weight is one piece, its tensors' values one after the other, whoever asks how often.
TEST(weight_store, random_pieces_are_made_once_and_joined) {
  const auto device = make_cpu_device(2);
  EngineMaker maker;
  const int w = maker.weight("w", {5, 3}, {2, 3});
  maker.plan().tensors[0].random = RandomFill{7, 0.5f, 0};
  maker.plan().tensors[1].random = RandomFill{8, 0.5f, 0};
  const auto engine = maker.finish({});
  for (auto& bytes : engine->tensors) bytes = {};
  WeightStore store(*engine, *device);
  const PlanValue& value = engine->plan.values[static_cast<size_t>(w)];
  const std::vector<TensorView> pieces = store.pieces(value);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].shape, (Shape{5, 3}));
  for (size_t i = 0; i < 15; ++i) {
    const RandomFill& fill = *engine->plan.tensors[i < 6 ? 0 : 1].random;
    EXPECT_EQ(pieces[0].as<float>()[i], random_fill_value(fill, i < 6 ? i : i - 6)) << i;
  }
  EXPECT_EQ(store.view(value, {})[0].data, pieces[0].data);
  EXPECT_EQ(store.owned_bytes(), 60u);
}

// A second layout of each of two weights, 24 bytes each.
TEST(weight_store, further_layouts_share_one_limit) {
  const auto device = make_cpu_device(1);
  EngineMaker maker;
  const int ids[] = {maker.weight("a", {2, 3}), maker.weight("b", {2, 3})};
  const auto engine = maker.finish({});
  const auto layout = [](const char* name) {
    WeightLayout out;
    out.name = name;
    out.packed_bytes = [](const OperandDesc&) { return size_t{24}; };
    out.pack = [](std::span<const TensorView>, std::byte*, ThreadTeam*) {};
    return out;
  };
  const auto made = [&](WeightStore& store) {
    int count = 0;
    for (const char* name : {"first", "second"}) {
      for (int id : ids) {
        try {
          store.view(engine->plan.values[static_cast<size_t>(id)], layout(name));
          ++count;
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
        }
      }
    }
    return count;
  };
  WeightStore none(*engine, *device, 0), one(*engine, *device, 30), all(*engine, *device);
  EXPECT_EQ(made(none), 2);
  EXPECT_EQ(made(one), 3);
  EXPECT_EQ(made(all), 4);
}

}  // namespace
}  // namespace ingot
