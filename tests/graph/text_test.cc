#include "graph/text.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace ingot {
namespace {

using testing::HasSubstr;

constexpr const char* kEverything =
    "graph main\n"
    "  meta \"config\" = \"{\\\"a\\\": \\\"b = c\\\"}\\n\"\n"
    "  limit tokens = 512\n"
    "  input %x : float32[tokens, 8]\n"
    "  input %ids : int32[max(batch + 1, 2*tokens)]\n"
    "  state %kc : state bfloat16[pages, 2, 32, 4] group kv windowed window 128\n"
    "  weight %w : float32[6, 8] shard 0\n"
    "  weight %table : q4_1[64, 32]\n"
    "  constant %axes : int64[2] = [-1, 9223372036854775807]\n"
    "  constant %scalar : float32[] = [0.1]\n"
    "  constant %flags : bool[3] = [1, 0, 1]\n"
    "  constant %none : int32[0] = []\n"
    "  constant %half : bfloat16[2] = 0x803f0040\n"
    "  constant %big : float32[2] = 0x0000807f0000c0ff\n"
    "  graph \"the body\"\n"
    "    input %x : float32[4]\n"
    "    graph inner\n"
    "      input %x : float32[4]\n"
    "      return %x\n"
    "    %y = add(%x, %x) : float32[4]\n"
    "    return %y\n"
    "  graph other\n"
    "    input %x : float32[4]\n"
    "    return %x %x\n"
    "  %y = linear(%x, %w, -) {\"dtype\":\"bfloat16\"} : bfloat16[tokens, 6] @ \"layer "
    "\\\"0\\\"\"\n"
    "  %a, %b = split_columns(%y) {\"widths\":[2,4]} : bfloat16[tokens, 2], bfloat16[tokens, 4]\n"
    "  %rows = embedding(%ids, %table) {\"dtype\":\"float32\"} : "
    "float32[max(batch + 1, 2*tokens), 32]\n"
    "  return %b %axes %scalar %flags %none %half %big %rows\n";

TEST(GraphTextTest, EverythingReadsBack) {
  const auto graph = parse_graph(kEverything);
  EXPECT_EQ(graph_text(*graph), kEverything);
  EXPECT_EQ(graph->subgraph_count(), 2u);
  EXPECT_EQ(graph->subgraph(0).subgraph_count(), 1u);
  EXPECT_EQ(graph->metadata().at("config"), "{\"a\": \"b = c\"}\n");
  EXPECT_EQ(graph->at(graph->find("kc")).state.window, 128);
  EXPECT_EQ(graph->at(graph->find("w")).weight.shard_axis, 0);
  EXPECT_EQ(graph->at(graph->find("y")).producer->origin, "layer \"0\"");
  EXPECT_EQ(load_index(*graph->constant(graph->find("axes")), 1), INT64_MAX);
}

TEST(GraphTextTest, CommentsAndBlankLinesAreSkipped) {
  const auto graph = parse_graph(
      "# a comment\n\ngraph main\n  input %x : float32[2]\n\n  # more\n  return %x\n\n");
  EXPECT_EQ(graph_text(*graph), "graph main\n  input %x : float32[2]\n  return %x\n");
}

TEST(GraphTextTest, FloatsKeepTheirBits) {
  std::vector<float> values;
  for (uint64_t i = 0; i < 200; ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random_u64(5, i)));
    if (std::isfinite(value)) values.push_back(value);
  }
  values.push_back(-0.0f);
  Graph graph;
  const int c = graph.add_constant(DType::kFloat32, {static_cast<int64_t>(values.size())},
                                   std::as_bytes(std::span(values)));
  graph.add_output(c);
  const auto read = parse_graph(graph_text(graph));
  const TensorView* view = read->constant(read->outputs()[0]);
  ASSERT_NE(view, nullptr);
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(view->as<float>()[i]), std::bit_cast<uint32_t>(values[i]));
  }
}

TEST(GraphTextTest, LargeConstantsPrintTheirTypeAlone) {
  const std::vector<float> values(257, 1.0f);
  Graph graph;
  graph.rename(graph.add_constant(DType::kFloat32, {257}, std::as_bytes(std::span(values))), "c");
  graph.add_output(graph.find("c"));
  EXPECT_EQ(graph_text(graph), "graph main\n  weight %c : float32[257]\n  return %c\n");
}

TEST(GraphTextTest, GeneratedNamesDoNotClash) {
  // The text's names are those that emit would give to other values.
  const char* text =
      "graph main\n"
      "  input %x : float32[t, 4]\n"
      "  %split_columns_3, %split_columns_2 = split_columns(%x) {\"widths\":[2,2]} : "
      "float32[t, 2], float32[t, 2]\n"
      "  %split_columns_1, %add_1 = split_columns(%x) {\"widths\":[1,3]} : "
      "float32[t, 1], float32[t, 3]\n"
      "  return %split_columns_3 %add_1\n";
  EXPECT_EQ(graph_text(*parse_graph(text)), text);
}

void expect_bad(const std::string& body, int line, const std::string& reason) {
  try {
    parse_graph("graph main\n  input %x : float32[tokens, 4]\n" + body);
    ADD_FAILURE() << "accepted: " << body;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    EXPECT_THAT(error.what(), HasSubstr(fmt::format("[graph/text] line {}: ", line)));
    EXPECT_THAT(error.what(), HasSubstr(reason));
  }
}

TEST(GraphTextTest, ErrorsNameTheLine) {
  expect_bad("  %y = add(%x, %z) : float32[tokens, 4]\n  return %y\n", 3, "%z is not defined");
  expect_bad("  %y = add(%x, %x) : float32[tokens, 5]\n  return %y\n", 3,
             "%y is written as float32[tokens, 5], add gives float32[tokens, 4]");
  expect_bad("  %y = adds(%x, %x) : float32[tokens, 4]\n  return %y\n", 3, "unknown operator");
  expect_bad("  %x = add(%x, %x) : float32[tokens, 4]\n  return %x\n", 3, "%x is taken");
  expect_bad("  %y = add(%x, %x)\n  return %y\n", 3, "expected ':'");
  expect_bad("  %y = rms_norm(%x) : float32[tokens, 4]\n  return %y\n", 3, "input 1 is missing");
  expect_bad("  %y, %z = add(%x, %x) : float32[tokens, 4]\n  return %y\n", 3, "as many types");
  expect_bad("  weight %w : float99[4]\n  return %x\n", 3, "float99");
  expect_bad("  weight %w : float32[n]\n  return %x\n", 3, "no fixed shape");
  expect_bad("  constant %c : int64[2] = [1]\n  return %x\n", 3, "list of 2 values");
  expect_bad("  constant %c : int64[1] = [\"a\"]\n  return %x\n", 3, "not a number");
  expect_bad("  constant %c : float32[100000000] = []\n  return %x\n", 3, "too large");
  expect_bad("  constant %c : float32[-3] = []\n  return %x\n", 3, "negative size -3");
  expect_bad("  weight %w : float32[-3]\n  return %x\n", 3, "negative size -3");
  expect_bad("  limit tokens = null\n  return %x\n", 3, "expected an integer");
  expect_bad("  constant %c : bfloat16[1] = 0x80\n  return %x\n", 3, "do not fit");
  expect_bad("  state %s : state float32[4] group kv rolling\n  return %x\n", 3, "rolling");
  expect_bad("  input %z : float32[4\n  return %x\n", 3, "shape has no end");
  expect_bad("\n  hello\n  return %x\n", 4, "unknown statement 'hello'");
  expect_bad("  return %x extra\n", 3, "expected '%'");
  expect_bad("  return %x\nmore\n", 4, "text follows");
  expect_bad("", 2, "no 'return'");
  EXPECT_THROW(parse_graph(""), Error);
}

TEST(GraphTextTest, DamagedTextIsRefusedOrRead) {
  // Every truncation and a bit flip at every byte end in a graph or an Error.
  const std::string text = kEverything;
  int refused = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string cut = text.substr(0, i);
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ 4);
    for (const std::string& damaged : {cut, flipped}) {
      try {
        parse_graph(damaged);
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, static_cast<int>(text.size()));
}

}  // namespace
}  // namespace ingot
