#include "graph/graph.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "graph/verify.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::shared_ptr<const TensorData> tensor(const std::string& name, Shape shape) {
  auto bytes = std::make_shared<std::vector<float>>(static_cast<size_t>(element_count(shape)), 1.f);
  auto out = std::make_shared<TensorData>();
  *out = {name, DType::kFloat32, std::move(shape), std::as_bytes(std::span(*bytes)), bytes};
  return out;
}

TEST(GraphTest, NamesAreCleanedAndUnique) {
  Graph graph;
  const int a = graph.add_input("x y", {DType::kFloat32, {2}});
  const int b = graph.add_input("x y", {DType::kFloat32, {2}});
  const int c = graph.add_input("", {DType::kFloat32, {2}});
  EXPECT_EQ(graph.at(a).name, "x_y");
  EXPECT_EQ(graph.at(b).name, "x_y.1");
  EXPECT_EQ(graph.find("x_y.1"), b);
  EXPECT_EQ(graph.find(graph.at(c).name), c);
  EXPECT_EQ(graph.find("absent"), kNoValue);
  graph.rename(b, "z");
  EXPECT_EQ(graph.find("z"), b);
  EXPECT_EQ(graph.find("x_y.1"), kNoValue);
  graph.rename(b, "x y");
  EXPECT_EQ(graph.at(b).name, "x_y.1");
}

TEST(GraphTest, PiecesOfAWeightAddUp) {
  Graph graph;
  const int w = graph.add_weight("qkv", {{tensor("q", {4, 8}), tensor("k", {2, 8})}, 0});
  EXPECT_EQ(type_text(graph.type(w)), "float32[6, 8]");
  EXPECT_EQ(graph.constant(w), nullptr) << "two pieces are no one constant";
  const int one = graph.add_weight("one", {{tensor("v", {2, 8})}, -1});
  ASSERT_NE(graph.constant(one), nullptr);
  EXPECT_EQ(graph.constant(one)->shape, (Shape{2, 8}));
  EXPECT_EQ(graph.constant(graph.add_weight_type("t", DType::kFloat32, {2})), nullptr);
}

TEST(GraphDeathTest, PiecesThatDoNotFit) {
  Graph graph;
  EXPECT_DEATH(graph.add_weight("w", {{tensor("q", {4, 8}), tensor("k", {2, 9})}, 0}), "9 vs 8");
  EXPECT_DEATH(graph.at(7), "value 7 of 0");
}

TEST(GraphTest, ConstantsAreCopied) {
  Graph graph;
  std::vector<int64_t> values = {3, -4};
  const int c = graph.add_constant(DType::kInt64, {2}, std::as_bytes(std::span(values)));
  values[1] = 9;
  EXPECT_EQ(load_index(*graph.constant(c), 1), -4);
  const int empty = graph.add_constant(DType::kInt64, {0}, {});
  ASSERT_NE(graph.constant(empty), nullptr);
  EXPECT_TRUE(graph.constant(empty)->present()) << "an empty tensor is present";
}

TEST(GraphTest, NodesGoBeforeTheInsertionPoint) {
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {2}});
  const int a = graph.emit("add", {}, {x, x});
  graph.set_origin("front");
  graph.set_insertion_point(graph.nodes().begin());
  const int b = graph.emit("add", {}, {x, x});
  graph.clear_insertion_point();
  const int c = graph.emit("add", {}, {a, b});
  std::vector<int> order;
  for (const Node& node : graph.nodes()) order.push_back(node.outputs[0]);
  EXPECT_THAT(order, ElementsAre(b, a, c));
  EXPECT_EQ(graph.at(b).producer->origin, "front");
  EXPECT_EQ(graph.at(a).producer->origin, "");
  EXPECT_EQ(graph.position(graph.at(a).producer)->outputs[0], a);
}

TEST(GraphTest, UsesAreReplacedInNodesAndOutputs) {
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {2}});
  const int a = graph.emit("add", {}, {x, x});
  const int b = graph.emit("add", {}, {a, x});
  graph.add_output(a);
  graph.add_output(b);
  EXPECT_EQ(graph.consumers(x).size(), 2u) << "a node that reads twice is one consumer";
  EXPECT_EQ(graph.consumers(a).size(), 1u);
  EXPECT_TRUE(graph.is_output(a));
  graph.rename(a, "sum");
  graph.supersede(a, x);
  EXPECT_EQ(graph.outputs()[0], x);
  EXPECT_EQ(graph.at(x).name, "sum");
  EXPECT_FALSE(graph.is_output(a));
  EXPECT_TRUE(graph.consumers(a).empty());
}

TEST(GraphTest, ListsOfUsesFollowEveryChange) {
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {2}});
  const int y = graph.add_input("y", {DType::kFloat32, {2}});
  const int a = graph.emit("add", {}, {x, x});
  const int b = graph.emit("add", {}, {x, a});
  Node& first = *graph.at(a).producer;
  Node& second = *graph.at(b).producer;
  EXPECT_EQ(graph.uses(x).size(), 3u);
  EXPECT_THAT(graph.consumers(x), ElementsAre(&first, &second));
  EXPECT_EQ(graph.sole_consumer(x), nullptr) << "two nodes";
  EXPECT_EQ(graph.sole_consumer(a), &second);
  EXPECT_EQ(graph.sole_consumer(b), nullptr) << "none";

  graph.set_input(second, 0, y);
  EXPECT_THAT(second.inputs, ElementsAre(y, a));
  EXPECT_EQ(graph.sole_consumer(x), &first) << "one node that reads it twice";
  EXPECT_EQ(graph.sole_consumer(y), &second);
  graph.set_input(second, 0, kNoValue);
  EXPECT_TRUE(graph.uses(y).empty());
  graph.set_input(second, 0, y);
  verify(graph, "set_input");

  graph.replace_uses(x, y);
  EXPECT_THAT(first.inputs, ElementsAre(y, y));
  EXPECT_TRUE(graph.uses(x).empty());
  EXPECT_EQ(graph.uses(y).size(), 3u);
  graph.set_input(first, 1, x);  // a use that was moved can be changed and taken away
  graph.replace_uses(x, x);
  EXPECT_EQ(graph.uses(x).size(), 1u);
  verify(graph, "replace_uses");

  graph.erase(graph.position(&second));
  EXPECT_EQ(graph.at(b).producer, nullptr);
  EXPECT_TRUE(graph.uses(a).empty());
  EXPECT_EQ(graph.uses(y).size(), 1u);
  verify(graph, "erase");
}

TEST(GraphTest, AnOutputMayStandInSeveralPlaces) {
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {2}});
  const int a = graph.emit("neg", {}, {x});
  const int b = graph.emit("neg", {}, {a});
  graph.set_outputs({a, b, a});
  graph.replace_uses(a, b);
  EXPECT_THAT(graph.outputs(), ElementsAre(b, b, b));
  EXPECT_FALSE(graph.is_output(a));
  graph.replace_uses(b, x);
  EXPECT_THAT(graph.outputs(), ElementsAre(x, x, x));
  graph.set_outputs({b});
  EXPECT_FALSE(graph.is_output(x));
}

TEST(GraphTest, ANameThatIsFreeAgainIsTheNextOneTaken) {
  Graph graph;
  const ValueType type = {DType::kFloat32, {2}};
  std::vector<int> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(graph.add_input("x", type));  // x, x.1, x.2, x.3
  graph.rename(ids[1], "other");
  EXPECT_EQ(graph.at(graph.add_input("x", type)).name, "x.1");
  EXPECT_EQ(graph.at(graph.add_input("x", type)).name, "x.4");
  graph.add_input("x.6", type);
  EXPECT_EQ(graph.at(graph.add_input("x", type)).name, "x.5");
  EXPECT_EQ(graph.at(graph.add_input("x", type)).name, "x.7");
}

TEST(GraphTest, TypesFollowARewrite) {
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {Dim::symbol("n"), 4}});
  const int w = graph.add_weight_type("w", DType::kFloat32, {6, 4});
  const int y = graph.emit("linear", {}, {x, w});
  const int z = graph.emit("add", {}, {y, y});
  graph.at(w).type.shape[0] = 7;
  graph.infer_types();
  EXPECT_EQ(type_text(graph.type(z)), "float32[n, 7]");
}

TEST(GraphTest, InferErrorsAreTheCallers) {
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {Dim::symbol("n"), 4}});
  const int w = graph.add_weight_type("w", DType::kFloat32, {6, 5});
  try {
    graph.emit("linear", {}, {x, w});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("float32[6, 5] does not fit input float32[n, 4]"));
  }
  EXPECT_TRUE(graph.nodes().empty());
  EXPECT_THROW(graph.emit("no_such_op", {}, {x}), Error);
  EXPECT_THROW(graph.emit("rms_norm", {{"epsilonn", 1.0}}, {x, w}), Error);
}

}  // namespace
}  // namespace ingot
