// Probe: an append into a state. No pass drops, merges or reorders it, though two appends are equal
// nodes but for their state token; the verifier catches each violation made by hand.
#include <gtest/gtest.h>

#include "compiler/compile.h"
#include "engine/executor.h"
#include "graph/verify.h"

namespace ingot {
namespace {

// State float32[8, 1]: element 0 counts the rows, the rest hold them. probe_append(state, x[1, 1])
// writes x behind the last row; probe_read(state) copies the state out.
const OpDef& append_op() {
  static const OpDef op = {.name = "probe_append",
                           .infer = [](const InferArgs& args) -> std::vector<ValueType> {
                             if (!args.input(0).state) args.bad("expected a state");
                             return {args.input(0)};
                           },
                           .effects = {.aliases = {{0, 0}}},
                           .reference =
                               [](const OpArgs& args) {
                                 auto* log = args.outputs[0].as<float>();
                                 log[0] += 1;
                                 log[static_cast<size_t>(log[0])] = *args.inputs[1].as<float>();
                               }};
  return op;
}
const OpDef& read_op() {
  static const OpDef op = {.name = "probe_read",
                           .infer = [](const InferArgs& args) -> std::vector<ValueType> {
                             return {{args.input(0).element, args.input(0).shape}};
                           },
                           .reference =
                               [](const OpArgs& args) {
                                 std::copy_n(args.inputs[0].data, args.inputs[0].bytes(),
                                             args.outputs[0].data);
                               }};
  return op;
}

constexpr int64_t kRows = 8;

struct Built {
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  int state, one, first, middle, second, last;
};

// append(5), read, append(5) again, read; the tokens of both appends take part.
Built build() {
  register_op(append_op());
  register_op(read_op());
  Built b;
  Graph& g = *b.graph;
  const float five = 5;
  b.state = g.add_state("log", DType::kFloat32, {kRows, 1}, {"log", StateKind::kFixed, 0});
  b.one = g.add_constant(DType::kFloat32, {1, 1}, std::as_bytes(std::span(&five, 1)));
  b.first = g.emit("probe_append", {}, {b.state, b.one});
  b.middle = g.emit("probe_read", {}, {b.first});
  b.second = g.emit("probe_append", {}, {b.first, b.one});
  b.last = g.emit("probe_read", {}, {b.second});
  g.set_outputs({b.middle, b.last, b.second});
  g.rename(b.middle, "middle");
  g.rename(b.last, "last");
  return b;
}

float at(const Executor& executor, std::string_view name, int64_t row) {
  return executor.output(name).as<float>()[row];
}

TEST(AliasedAppend, SurvivesEveryPassInOrder) {
  const Built b = build();
  for (const PassDef* pass : passes_pass_list()) run_pass(*b.graph, pass->name);
  std::vector<std::string> ops;
  const auto engine = compile(*b.graph, {.passes = {.verify = true}});
  for (const PlanStep& step : engine->plan.steps) ops.push_back(step.op);
  EXPECT_EQ(ops,
            (std::vector<std::string>{"probe_append", "probe_read", "probe_append", "probe_read"}));

  const auto device = make_cpu_device(2);
  Executor executor(engine, *device);
  for (int run = 0; run < 2; ++run) {
    executor.run();
    EXPECT_EQ(at(executor, "middle", 0), static_cast<float>(2 * run + 1));
    EXPECT_EQ(at(executor, "last", 0), static_cast<float>(2 * run + 2));
    EXPECT_EQ(at(executor, "last", 2 * run + 2), 5.0f);
    EXPECT_EQ(at(executor, "last", 2 * run + 3), 0.0f);
  }
  EXPECT_EQ(executor.state("log").as<float>()[0], 4.0f);  // one memory, all the way
}

std::string verdict(const Graph& graph) {
  try {
    verify(graph, "test");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(AliasedAppend, VerifierCatchesViolations) {
  EXPECT_EQ(verdict(*build().graph), "accepted");
  {  // reordered: the first read runs after the second append
    const Built b = build();
    auto& nodes = b.graph->nodes();
    nodes.splice(nodes.end(), nodes, std::next(nodes.begin()));
    EXPECT_NE(verdict(*b.graph).find("used after it was written"), std::string::npos);
  }
  {  // merged: both appends start from the same token
    const Built b = build();
    b.graph->set_input(*b.graph->at(b.second).producer, 0, b.state);
    EXPECT_NE(verdict(*b.graph).find("used after it was written"), std::string::npos);
  }
  {  // dropped: the node is gone, its token still wanted
    const Built b = build();
    b.graph->erase(b.graph->position(b.graph->at(b.second).producer));
    EXPECT_NE(verdict(*b.graph).find("before it is defined"), std::string::npos);
  }
  {  // unanchored: nothing keeps the last write alive
    const Built b = build();
    b.graph->set_outputs({b.middle, b.last});
    EXPECT_NE(verdict(*b.graph).find("not a graph output"), std::string::npos);
  }
}

}  // namespace
}  // namespace ingot
