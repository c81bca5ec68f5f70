#include "loaders/onnx.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "loaders/onnx_emitter.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

std::string seed(const std::string& name) {
  return read_file(std::string(INGOT_TEST_DATA) + "/../fuzz/corpus/onnx/" + name + ".onnx");
}

OnnxModel parse(const std::string& bytes, const OnnxOptions& options = {}) {
  return parse_onnx(std::as_bytes(std::span(bytes.data(), bytes.size())), "seed.onnx", options);
}

std::vector<std::string> ops(const Graph& graph) {
  std::vector<std::string> out;
  for (const Node& node : graph.nodes()) out.push_back(node.op);
  return out;
}

using Names = std::vector<std::string>;

TEST(onnx, network_becomes_operators_and_linear) {
  const OnnxModel model = parse(seed("cnn"));
  EXPECT_EQ(model.inputs, Names{"x"});
  EXPECT_EQ(model.outputs, Names{"y"});
  EXPECT_EQ(ops(*model.graph),
            (Names{"conv", "relu", "max_pool", "reduce_mean", "reshape", "linear"}));
  EXPECT_EQ(type_text(model.graph->type(model.graph->outputs()[0])), "float32[1, 3]");
}

TEST(onnx, shape_arithmetic_is_folded) {
  const OnnxModel model = parse(seed("shapes"));
  EXPECT_EQ(type_text(model.graph->type(model.graph->outputs()[0])), "float32[2, 12]");
  const Names nodes = ops(*model.graph);
  EXPECT_EQ(std::count(nodes.begin(), nodes.end(), "concat"), 0);
}

// What is folded and followed is written in each operator's own file, so a new one needs no change
// to the importer.
TEST(onnx, operators_say_themselves_how_they_fold) {
  const auto infer = [](const InferArgs& args) -> std::vector<ValueType> {
    return {args.input(0)};
  };
  static const OpDef light = {.name = "test_fold_light",
                              .infer = infer,
                              .reference =
                                  [](const OpArgs& args) {
                                    for (int64_t i = 0; i < args.inputs[0].elements(); ++i) {
                                      store_index(args.outputs[0], i,
                                                  load_index(args.inputs[0], i) + 1);
                                    }
                                  },
                              .dims = [](const DimsArgs& args) -> std::optional<std::vector<Dim>> {
                                const std::vector<Dim>* known = args.known(0);
                                if (!known) return std::nullopt;
                                std::vector<Dim> out;
                                for (const Dim& dim : *known) out.push_back(dim + 1);
                                return out;
                              }};
  static OpDef heavy = light;
  heavy.name = "test_fold_heavy";
  heavy.heavy = true;
  heavy.dims = nullptr;
  register_op(light);
  register_op(heavy);
  Graph graph;
  OnnxEmitter emitter(graph);
  const std::vector<int64_t> values = {4, 5};
  const int constant = emitter.add_constant(DType::kInt64, {2}, std::as_bytes(std::span(values)));
  const TensorView* folded = emitter.constant(emitter.emit("test_fold_light", {}, {constant}));
  ASSERT_NE(folded, nullptr);
  EXPECT_EQ(load_index(*folded, 1), 6);
  EXPECT_EQ(emitter.constant(emitter.emit("test_fold_heavy", {}, {constant})), nullptr);

  const int x = graph.add_input("x", {DType::kFloat32, {Dim::symbol("rows"), 3}});
  const int shape = emitter.emit("shape", {}, {x});
  const std::vector<Dim>* dims = emitter.dims(emitter.emit("test_fold_light", {}, {shape}));
  ASSERT_NE(dims, nullptr);
  EXPECT_EQ(shape_text(*dims), "[rows + 1, 4]");
  EXPECT_EQ(emitter.dims(emitter.emit("test_fold_heavy", {}, {shape})), nullptr);
}

TEST(onnx, constants_keep_their_budget) {
  Graph graph;
  int64_t budget = 64;
  OnnxEmitter emitter(graph, &budget);
  const std::vector<int64_t> values = {4, 5};
  const auto bytes = std::as_bytes(std::span(values));
  const int constant = emitter.add_constant(DType::kInt64, {2}, bytes);
  EXPECT_EQ(budget, 48);
  const auto negated = [&] { return emitter.constant(emitter.emit("neg", {}, {constant})); };
  for (int left : {32, 16, 0}) {
    EXPECT_NE(negated(), nullptr);
    EXPECT_EQ(budget, left);
  }
  EXPECT_EQ(negated(), nullptr);  // left for the run
  expect_error([&] { emitter.add_constant(DType::kInt64, {2}, bytes); }, ErrorCode::kUnsupported,
               {"loaders/onnx", "16 more bytes", "0 are left"});
}

TEST(onnx, known_inputs_become_constants) {
  uint8_t yes = 1;
  OnnxOptions options;
  options.constants["c"] = {DType::kBool, {}, reinterpret_cast<std::byte*>(&yes)};
  const OnnxModel model = parse(seed("if"), options);
  EXPECT_EQ(model.inputs, Names{"x"});
  EXPECT_EQ(ops(*model.graph), Names{"relu"});
  EXPECT_EQ(model.graph->subgraph_count(), 0u);
}

TEST(onnx, control_flow_keeps_bodies_and_captures) {
  const OnnxModel branch = parse(seed("if"));
  EXPECT_EQ(ops(*branch.graph), Names{"if"});
  ASSERT_EQ(branch.graph->subgraph_count(), 2u);
  EXPECT_EQ(branch.graph->subgraph(0).inputs().size(), 1u);  // captures x
  EXPECT_EQ(branch.graph->subgraph(1).inputs().size(), 1u);
  const OnnxModel loop = parse(seed("loop"));
  EXPECT_EQ(ops(*loop.graph), Names{"loop"});
  EXPECT_EQ(loop.graph->subgraph(0).inputs().size(), 3u);  // iteration, condition, carried
}

TEST(onnx, an_output_that_nothing_makes_is_named) {
  std::string bytes = seed("cnn");
  const std::string name = parse(bytes).outputs.at(0);
  const size_t last = bytes.rfind(name);  // the graph's outputs are behind its nodes
  ASSERT_NE(last, std::string::npos);
  bytes[last] = 'Q';
  const std::string made = std::string("Q") + name.substr(1);
  expect_error([&] { parse(bytes); }, ErrorCode::kCorrupt,
               {"seed.onnx", "output '" + made + "' is made by no node"});
}

TEST(onnx, functions_are_inlined) {
  EXPECT_EQ(ops(*parse(seed("function")).graph), (Names{"mul", "softmax"}));
}

// Every truncation and every flipped bit of every seed imports or ends in an Error.
TEST(onnx, damaged_files_never_crash) {
  int refused = 0;
  for (const char* name : {"cnn", "shapes", "if", "loop", "function"}) {
    const std::string good = seed(name);
    for (size_t i = 0; i < good.size(); ++i) {
      for (int bit = -1; bit < 8; ++bit) {
        std::string bad = bit < 0 ? good.substr(0, i) : good;
        if (bit >= 0) bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
        try {
          parse(bad);
        } catch (const Error& error) {
          ++refused;
          EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos);
        }
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace ingot
