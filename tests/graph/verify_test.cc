// Each rule of graph/verify.h broken by hand.
#include "graph/verify.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "graph/text.h"

namespace ingot {
namespace {

using testing::HasSubstr;

constexpr const char* kText =
    "graph main\n"
    "  input %k : float32[tokens, 4]\n"
    "  input %positions : int32[tokens]\n"
    "  input %token_rows : int32[tokens]\n"
    "  input %block_tables : int32[batch, blocks]\n"
    "  state %kc : state float32[pages, 1, 32, 4] group kv paged\n"
    "  state %vc : state float32[pages, 1, 32, 4] group kv paged\n"
    "  weight %w : float32[4]\n"
    "  %s = add(%k, %k) : float32[tokens, 4]\n"
    "  %n = rms_norm(%s, %w) : float32[tokens, 4] @ \"layer 7\"\n"
    "  %k2, %v2 = kv_append(%n, %s, %kc, %vc, %positions, %token_rows, %block_tables) : "
    "state float32[pages, 1, 32, 4], state float32[pages, 1, 32, 4]\n"
    "  return %n %k2 %v2\n";

class VerifyTest : public testing::Test {
 protected:
  void expect_broken(const std::string& where, const std::string& rule) {
    try {
      verify(*graph_, "my_pass");
      ADD_FAILURE() << "expected: " << rule;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInternal);
      EXPECT_THAT(error.what(), HasSubstr("graph 'main' after my_pass"));
      EXPECT_THAT(error.what(), HasSubstr(where));
      EXPECT_THAT(error.what(), HasSubstr(rule));
    }
  }
  Node& node(const char* op) {
    for (Node& n : graph_->nodes()) {
      if (n.op == op) return n;
    }
    throw std::runtime_error(op);
  }
  int id(const char* name) { return graph_->find(name); }

  std::unique_ptr<Graph> graph_ = parse_graph(kText);
};

TEST_F(VerifyTest, TheGraphIsWhole) { verify(*graph_, "parse"); }

TEST_F(VerifyTest, UseBeforeDefinition) {
  graph_->nodes().splice(graph_->nodes().begin(), graph_->nodes(), ++graph_->nodes().begin());
  expect_broken("rms_norm (layer 7)", "input %s is used before it is defined");
}

TEST_F(VerifyTest, ErasedProducer) {
  graph_->erase(graph_->nodes().begin());
  expect_broken("rms_norm", "used before it is defined");
}

TEST_F(VerifyTest, UndefinedOutput) {
  graph_->erase(graph_->position(&node("kv_append")));
  expect_broken("return", "not defined");
}

TEST_F(VerifyTest, UnknownOperator) {
  node("add").op = "addd";
  expect_broken("addd", "unknown operator");
}

TEST_F(VerifyTest, TypeThatInferDoesNotGive) {
  graph_->at(id("s")).type.element = DType::kBFloat16;
  expect_broken("add", "output 0 is bfloat16[tokens, 4], infer() gives float32[tokens, 4]");
}

TEST_F(VerifyTest, WrongNumberOfOutputs) {
  node("add").outputs.push_back(id("n"));
  expect_broken("add", "has 2 outputs, infer() gives 1");
}

TEST_F(VerifyTest, OutputOfAnotherProducer) {
  graph_->at(id("n")).producer = &node("add");
  expect_broken("rms_norm", "names another producer");
}

TEST_F(VerifyTest, SecondWriterOfAState) {
  const Node append = node("kv_append");
  graph_->set_outputs({id("n")});
  for (int token : graph_->emit_many("kv_append", append.attrs, append.inputs, 2)) {
    graph_->add_output(token);
  }
  expect_broken("kv_append", "state token %kc is used after it was written");
}

TEST_F(VerifyTest, ReaderOfAnOldToken) {
  graph_->add_input("query_offsets", {DType::kInt32, {Dim::symbol("batch") + 1}});
  graph_->add_input("context_lengths", {DType::kInt32, {Dim::symbol("batch")}});
  graph_->emit("paged_attention", {{"head_dim", int64_t{4}}, {"scale", 0.5}},
               {id("k"), id("kc"), id("v2"), id("positions"), id("token_rows"), id("query_offsets"),
                id("context_lengths"), id("block_tables")});
  expect_broken("paged_attention", "state token %kc is used after it was written");
}

TEST_F(VerifyTest, WriteThatNothingKeeps) {
  graph_->set_outputs({id("n"), id("k2")});
  expect_broken("v2", "the last token of a written state is not a graph output");
}

TEST_F(VerifyTest, InputChangedBehindTheListsOfUses) {
  graph_->add_input("k_other", graph_->type(id("k")));
  node("add").inputs[1] = id("k_other");
  expect_broken("k", "is listed as input 1 of add, which does not read it there");
}

TEST_F(VerifyTest, InputThatNoListHolds) {
  graph_->set_input(node("add"), 1, kNoValue);
  node("add").inputs[1] = id("k");
  expect_broken("uses", "11 inputs read a value, 10 are listed");
}

TEST_F(VerifyTest, SubgraphsAreVerified) {
  auto body = parse_graph(
      "graph body\n  input %b : float32[4]\n  %y = add(%b, %b) : float32[4]\n"
      "  return %y\n");
  body->at(body->find("y")).type.shape = {5};
  graph_->add_subgraph(std::move(body));
  try {
    verify(*graph_, "my_pass");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("graph 'body' after my_pass"));
  }
}

}  // namespace
}  // namespace ingot
