#include "server/model_grammars.h"

#include <gtest/gtest.h>

#include "server/api_error.h"
#include "tests/server/oracle_server.h"

namespace ingot {
namespace {

using Result = GrammarMatcher::Result;

TEST(ModelGrammars, MarksStandForTheirSpelling) {
  const TextAssets assets = oracle_assets();
  ModelGrammars grammars(assets, 300);
  const GrammarSource source = {GrammarKind::kRegex, "<\\|im_start\\|>x"};
  const auto plain = grammars.get(source, "field");
  EXPECT_EQ(plain->vocabulary().size(), 300);
  EXPECT_EQ(GrammarMatcher(plain).accept(256), Result::kRefused);
  GrammarMatcher marked(grammars.get(source, "field", {256}));
  EXPECT_EQ(marked.accept(256), Result::kOk);
  EXPECT_EQ(marked.accept('x'), Result::kOk);
  EXPECT_EQ(marked.accept(257), Result::kOk);
  EXPECT_TRUE(marked.terminated());
  // Both ways are kept apart.
  EXPECT_EQ(grammars.get(source, "field"), plain);
  EXPECT_EQ(grammars.kept(source, {}), plain);
  EXPECT_NE(grammars.kept(source, {256}), plain);
  EXPECT_EQ(grammars.kept({GrammarKind::kRegex, "y"}, {}), nullptr);
}

TEST(ModelGrammars, ErrorsNameTheField) {
  TextAssets assets = oracle_assets();
  ModelGrammars grammars(assets, 258);
  const auto refused = [&](ModelGrammars& model, std::string_view words) {
    try {
      model.get({GrammarKind::kRegex, "(("}, "a.b");
      ADD_FAILURE();
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status, 400);
      EXPECT_EQ(error.param, "a.b");
      EXPECT_NE(error.message.find(words), std::string::npos) << error.message;
    }
  };
  refused(grammars, "'a.b': the expression");
  EXPECT_THROW(ModelGrammars::check({GrammarKind::kRegex, "(("}, "a.b"), ApiError);
  EXPECT_NO_THROW(ModelGrammars::check({GrammarKind::kRegex, "a"}, "a.b"));
  TextAssets endless = oracle_assets();
  endless.generation.eos_ids.clear();
  ModelGrammars none(endless, 258);
  ASSERT_TRUE(endless.end_ids().empty());
  refused(none, "no token ends an answer");
  TextAssets bare;
  bare.name = "bare";
  ModelGrammars nothing(bare, 258);
  refused(nothing, "tokenizer");
}

}  // namespace
}  // namespace ingot
