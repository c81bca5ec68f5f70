// Passes over graphs of tens of thousands of nodes: work grows with the nodes, not with their
// square.
#include <gtest/gtest.h>

#include <algorithm>

#include "graph/verify.h"
#include "passes/pipeline.h"
#include "tests/base/growth.h"

namespace ingot {
namespace {

int run_unverified(Graph& graph, std::string_view name) {
  for (const PassDef* pass : passes_pass_list()) {
    if (pass->name == name) return pass->run(graph);
  }
  throw std::runtime_error("no such pass");
}

// CPU seconds of folding a chain of `nodes` constants.
double fold_chain(int64_t nodes) {
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {1}});
  const float one = 1;
  const int step = graph.add_constant(DType::kFloat32, {1}, std::as_bytes(std::span(&one, 1)));
  int sum = step;  // every node reads `step`: a value with as many readers as there are nodes
  for (int64_t i = 0; i < nodes; ++i) sum = graph.emit("add", {}, {sum, step});
  graph.add_output(graph.emit("add", {}, {sum, x}));
  const double seconds =
      cpu_seconds([&] { EXPECT_EQ(run_unverified(graph, "constant_folding"), nodes); });
  verify(graph, "constant_folding");
  EXPECT_EQ(graph.nodes().size(), 1u);
  const TensorView* folded = graph.constant(graph.nodes().front().inputs[0]);
  if (folded == nullptr) ADD_FAILURE() << "the sum is no constant";
  if (folded != nullptr) EXPECT_EQ(folded->as<float>()[0], static_cast<float>(nodes + 1));
  return seconds;
}

TEST(LargeGraph, AChainOfConstantsFoldsInLinearTime) {
  EXPECT_LT(growth_from(1000, fold_chain), kMostGrowth);
}

int constant_of(Graph& graph, const Shape& shape) {
  const std::vector<std::byte> zeros(static_cast<size_t>(element_count(shape)) * sizeof(float));
  return graph.add_constant(DType::kFloat32, shape, zeros);
}

// A matrix product of a kilobyte of file may be hours of a reference's work; small ones still fold.
TEST(LargeGraph, HeavyOperatorsFoldWhereTheyAreSmall) {
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {1}});
  for (const int64_t size : {4, 1024}) {
    const int a = constant_of(graph, {size, size});
    graph.add_output(graph.emit("add", {}, {graph.emit("matmul", {}, {a, a}), x}));
  }
  EXPECT_EQ(run_unverified(graph, "constant_folding"), 1);
  verify(graph, "constant_folding");
  const auto& nodes = graph.nodes();
  EXPECT_EQ(
      std::count_if(nodes.begin(), nodes.end(), [](const Node& n) { return n.op == "matmul"; }), 1)
      << "the large one";
}

// Many nodes that each read a large constant, with small results.
TEST(LargeGraph, WhatFoldingReadsIsBounded) {
  constexpr int kNodes = 1000;
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {1}});
  const int table = constant_of(graph, {int64_t{1} << 22, 1});
  int sum = x;
  for (int64_t i = 0; i < kNodes; ++i) {
    const int row = graph.add_constant(DType::kInt64, {1}, std::as_bytes(std::span(&i, 1)));
    sum = graph.emit("add", {}, {graph.emit("gather", {}, {table, row}), sum});
  }
  graph.add_output(sum);
  const int folded = run_unverified(graph, "constant_folding");
  EXPECT_GT(folded, 10);
  EXPECT_LT(folded, 100);
  verify(graph, "constant_folding");
}

// CPU seconds of the passes over `layers` of four nodes and as many equal nodes.
double fuse_and_merge(int64_t layers) {
  Graph graph;
  const ValueType type = {DType::kFloat32, {Dim::symbol("tokens"), 4}};
  const int x = graph.add_input("x", type);
  const int w = graph.add_weight_type("w", DType::kFloat32, {4});
  int h = x;
  for (int64_t i = 0; i < layers; ++i) {
    const int norm = graph.emit("rms_norm", {}, {graph.emit("add", {}, {h, x}), w});
    h = graph.emit("mul", {}, {graph.emit("relu", {}, {norm}), norm});
  }
  // Equal nodes: all but the first merge into it.
  for (int64_t i = 0; i < layers; ++i) {
    graph.add_output(graph.emit("add", {}, {graph.emit("neg", {}, {x}), h}));
    h = graph.outputs().back();
  }
  const double seconds = cpu_seconds([&] {
    EXPECT_EQ(run_unverified(graph, "common_subexpressions"), layers - 1);
    EXPECT_EQ(run_unverified(graph, "fuse_add_rms_norm"), layers);
    EXPECT_EQ(run_unverified(graph, "fuse_act_mul"), layers);
    EXPECT_EQ(run_unverified(graph, "dead_code"), layers);  // the activations
  });
  verify(graph, "all passes");
  EXPECT_EQ(graph.nodes().size(), static_cast<size_t>(3 * layers + 1));
  return seconds;
}

TEST(LargeGraph, FusionsAndMergesTakeLinearTime) {
  EXPECT_LT(growth_from(200, fuse_and_merge), kMostGrowth);
}

}  // namespace
}  // namespace ingot
