#include "text/grammar.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "tests/text/test_vocabularies.h"

namespace ingot {
namespace {

using Result = GrammarMatcher::Result;

constexpr int32_t kStart = 260, kEnd = 261, kTool = 262;  // of byte_level_tokenizer()

const std::shared_ptr<const GrammarVocabulary>& vocabulary() {
  static const auto made = GrammarVocabulary::create(*byte_level_tokenizer(), {kEnd});
  return made;
}

std::shared_ptr<const Grammar> grammar_of(GrammarKind kind, const std::string& text,
                                          const GrammarLimits& limits = {}) {
  return Grammar::compile(vocabulary(), {kind, text}, limits);
}

bool accepts(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  GrammarMatcher matcher(grammar);
  for (const char c : text) {
    if (matcher.accept(static_cast<unsigned char>(c)) != Result::kOk) return false;
  }
  return matcher.can_end();
}

std::string error_of(GrammarKind kind, const std::string& text, const GrammarLimits& limits = {}) {
  try {
    grammar_of(kind, text, limits);
  } catch (const Error& error) {
    return std::string(error_code_name(error.code())) + " " + error.what();
  }
  return "";
}

bool allowed(const std::vector<uint32_t>& bits, int32_t id) {
  return (bits[static_cast<size_t>(id) / 32] >> (id % 32) & 1) != 0;
}

std::vector<uint32_t> mask_of(GrammarMatcher& matcher) {
  std::vector<uint32_t> bits(vocabulary()->mask_words() + 1, ~0U);
  EXPECT_EQ(matcher.mask(bits), Result::kOk);
  return bits;
}

TEST(Grammar, KindsTakeTheirTexts) {
  const auto json = grammar_of(GrammarKind::kJsonObject, "");
  EXPECT_TRUE(accepts(json, R"({"a": [1, -2.5e3, true, null, "x\n\u00e9\ud83d\ude00"], "b": {}})"));
  EXPECT_TRUE(accepts(json, "{\n    \"a\": \"é😀\"\n}"));
  for (const char* bad :
       {"[]", "{\"a\":}", "{\"a\": 01}", "{\"a\": \"\t\"}", "{\"a\": \"\\ud83d\"}", "{\"a\": 1,}",
        "{\"a\": 1}}", "{\"a\": \"\xED\xA0\x80\"}"}) {
    EXPECT_FALSE(accepts(json, bad)) << bad;
  }
  const auto regex = grammar_of(GrammarKind::kRegex, "(ab|c)+[^\\d]{2,3}");
  EXPECT_TRUE(accepts(regex, "abcé."));
  EXPECT_FALSE(accepts(regex, "abc1."));
  EXPECT_FALSE(accepts(regex, "c...."));
  const auto choice = grammar_of(GrammarKind::kChoice, R"(["yes", "yes and no", "né\n\""])");
  EXPECT_TRUE(accepts(choice, "yes"));
  EXPECT_TRUE(accepts(choice, "né\n\""));
  EXPECT_FALSE(accepts(choice, "yes "));
  const auto ebnf = grammar_of(GrammarKind::kEbnf, "root ::= \"(\" root \")\" | \"x\"");
  EXPECT_TRUE(accepts(ebnf, "((x))"));
  EXPECT_FALSE(accepts(ebnf, "((x)"));
}

TEST(Grammar, StructuralTagsLetTextStandAround) {
  const auto tags = grammar_of(GrammarKind::kStructuralTags, R"({
    "triggers": ["<fn="],
    "structures": [
      {"begin": "<fn=one>", "end": "</fn>",
       "schema": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"],
                  "additionalProperties": false}},
      {"begin": "<fn=two>", "end": "</fn>", "schema": {"type": "boolean"}}]})");
  EXPECT_TRUE(accepts(tags, "no call < here"));
  EXPECT_TRUE(accepts(tags, "a <fn=one>{\"x\": 1}</fn> b <fn=two>true</fn>"));
  EXPECT_FALSE(accepts(tags, "a <fn=two>{\"x\": 1}</fn>"));
  EXPECT_FALSE(accepts(tags, "a <fn=six>"));
}

const char* const kCallsText = R"({
    "structures": [
      {"begin": "<fn=one>", "end": "</fn>",
       "schema": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"],
                  "additionalProperties": false}},
      {"begin": "<fn=oneself>", "end": "</fn>", "schema": {"enum": [true, "the\n"]}}],
    "separator": "\n")";

TEST(Grammar, CallsStandAloneAndEndAfterEach) {
  const std::string text = kCallsText;
  const auto many = grammar_of(GrammarKind::kCalls, text + "}");
  EXPECT_EQ(grammar_rules({GrammarKind::kCalls, text + "}"}),
            grammar_rules({GrammarKind::kCalls, text + R"(, "most": 0})"}));
  const std::string first = "<fn=one>{\"x\": 1}</fn>", second = "<fn=oneself>\"the\\n\"</fn>";
  for (const std::string& good :
       {first, second, first + "\n" + second, second + "\n" + second + "\n" + first}) {
    EXPECT_TRUE(accepts(many, good)) << good;
  }
  for (const std::string& bad : {std::string(), " " + first, first + "\n", first + second,
                                 first + " ", std::string("<fn=one>true</fn>")}) {
    EXPECT_FALSE(accepts(many, bad)) << bad;
  }
  const auto one = grammar_of(GrammarKind::kCalls, text + R"(, "most": 1})");
  EXPECT_TRUE(accepts(one, second));
  EXPECT_FALSE(accepts(one, first + "\n" + second));
  const auto joined = grammar_of(GrammarKind::kCalls, R"({"structures": [
      {"begin": "<", "end": ">", "schema": {"const": 1}}]})");
  EXPECT_TRUE(accepts(joined, "<1><1>"));
}

// Whether `text` is calls of kCallsText, taken apart by hand.
bool is_calls(std::string_view text, size_t& count) {
  for (count = 1;; ++count) {
    const std::string_view end = "</fn>";
    const size_t at = text.find(end);
    if (at == std::string_view::npos) return false;
    std::string_view call = text.substr(0, at);
    if (call == "<fn=oneself>true" || call == "<fn=oneself>\"the\\n\"") {
    } else if (call.starts_with("<fn=one>")) {
      const Json value = Json::parse(call.substr(8), nullptr, false);
      if (!value.is_object() || value.size() != 1 || !value.contains("x")) return false;
      if (!value["x"].is_number() || call.find_first_of(".eE", 9) != call.npos) return false;
    } else {
      return false;
    }
    text.remove_prefix(at + end.size());
    if (text.empty()) return true;
    if (!text.starts_with('\n')) return false;
    text.remove_prefix(1);
  }
}

TEST(Grammar, CallsOrAValue) {
  const auto grammar = grammar_of(GrammarKind::kCalls, R"json({"structures": [
      {"begin": "<f>", "schema": {"enum": [1]}, "end": "</f>"}], "open": "(", "close": ")",
      "answer": "{\"enum\": [23]}"})json");
  const auto takes = [&](const std::string& text) {
    GrammarMatcher matcher(grammar);
    for (const char c : text) {
      if (matcher.accept(static_cast<unsigned char>(c)) != Result::kOk) return false;
    }
    return matcher.can_end();
  };
  EXPECT_TRUE(takes("(<f>1</f>)"));
  EXPECT_TRUE(takes("23"));
  EXPECT_FALSE(takes("(23)"));
  EXPECT_FALSE(takes("(<f>1</f>)23"));
  EXPECT_FALSE(takes("1"));
}

TEST(Grammar, CallsOrOtherText) {
  const auto grammar = grammar_of(GrammarKind::kCalls, R"json({"structures": [
      {"begin": "{f: ", "schema": {"enum": [1]}, "end": "}"}], "text": ["{", "<|t|>", "é!"]})json");
  for (const char* good :
       {"{f: 1}", "{f: 1}{f: 1}", "", " \n", "words", "so: {f: 2}", "<", "<|", "<|t", "<|u|>",
        "<b>{", " <|t|", "[{", "}", "1 <|t|> {", "é", "é?", "è!"}) {
    EXPECT_TRUE(accepts(grammar, good)) << good;
  }
  for (const char* bad :
       {"{", "{f: 2}", " {f: 1}", "{f: 1} ", "\n{", "<|t|>", "<|t|>{f: 1}", "é!", "\t é!"}) {
    EXPECT_FALSE(accepts(grammar, bad)) << bad;
  }
  EXPECT_THAT(error_of(GrammarKind::kCalls, R"({"text": [""], "structures": [
      {"begin": "a", "end": "b", "schema": {}}]})"),
              HasSubstr("text: expected beginnings that are not empty"));
}

TEST(Grammar, CallsDrawnFromMasksAreCalls) {
  const auto tokenizer = byte_level_tokenizer();
  for (const size_t most : {0, 1}) {
    const auto grammar =
        grammar_of(GrammarKind::kCalls, kCallsText + fmt::format(", \"most\": {}}}", most));
    std::mt19937_64 random(most + 1);
    size_t drawn = 0, longest = 0;
    for (int i = 0; i < 60; ++i) {
      GrammarMatcher matcher(grammar);
      std::string text;
      for (int used = 0; used < 400 && !matcher.terminated(); ++used) {
        const std::vector<uint32_t> bits = mask_of(matcher);
        std::vector<int32_t> tokens;
        for (int32_t id = 0; id < vocabulary()->size(); ++id) {
          if (allowed(bits, id)) tokens.push_back(id);
        }
        ASSERT_FALSE(tokens.empty()) << text;
        const int32_t token = tokens[random() % tokens.size()];
        ASSERT_EQ(matcher.accept(token), Result::kOk);
        if (token != kEnd) text += tokenizer->token_bytes(token);
      }
      if (!matcher.terminated()) continue;
      size_t count = 0;
      EXPECT_TRUE(is_calls(text, count)) << text;
      longest = std::max(longest, count);
      ++drawn;
    }
    EXPECT_GT(drawn, 20U);
    EXPECT_EQ(longest > 1, most == 0) << longest;
  }
}

// Logits that the tokenizer has no tokens for are masked out, and tokens without logits as well.
TEST(GrammarVocabulary, ModelsMayHaveMoreLogitsOrFewer) {
  const auto tokenizer = byte_level_tokenizer();
  const auto wide = GrammarVocabulary::create(*tokenizer, {kEnd}, 320);
  EXPECT_EQ(wide->size(), 320);
  EXPECT_EQ(wide->mask_words(), 10U);
  GrammarMatcher matcher(Grammar::compile(wide, {GrammarKind::kEbnf, "root ::= [^x]*"}));
  std::vector<uint32_t> bits(11, ~0U);
  ASSERT_EQ(matcher.mask(bits), Result::kOk);
  EXPECT_TRUE(allowed(bits, kTool));
  EXPECT_TRUE(allowed(bits, kEnd));
  for (int32_t id = kTool + 1; id < 352; ++id) EXPECT_FALSE(allowed(bits, id)) << id;
  EXPECT_EQ(matcher.accept(263), Result::kRefused);
  EXPECT_EQ(matcher.accept(319), Result::kRefused);
  EXPECT_EQ(matcher.accept(320), Result::kRefused);
  EXPECT_EQ(matcher.accept('a'), Result::kOk);
  EXPECT_THROW(GrammarVocabulary::create(*tokenizer, {263}, 320), Error);

  const auto narrow = GrammarVocabulary::create(*tokenizer, {'e'}, 200);
  GrammarMatcher some(Grammar::compile(narrow, {GrammarKind::kEbnf, "root ::= \"the\" [^x]*"}));
  std::vector<uint32_t> few(narrow->mask_words());
  EXPECT_EQ(few.size(), 7U);
  ASSERT_EQ(some.mask(few), Result::kOk);
  EXPECT_TRUE(allowed(few, 't'));
  EXPECT_EQ(some.accept(257), Result::kRefused);  // "the"
  EXPECT_THROW(GrammarVocabulary::create(*tokenizer, {kEnd}, 200), Error);
}

// The mask's bit of a token says what accept() does, at each place of a text.
TEST(GrammarMatcher, MaskIsWhatAcceptTakes) {
  GrammarMatcher matcher(grammar_of(GrammarKind::kJsonSchema, R"({
    "type": "object", "properties": {"the": {"enum": ["the", 1]}, "s": {"maxLength": 3}}})"));
  for (const char c : std::string(R"({"the": "the", "s": "all", "x": [ 7]})")) {
    const std::vector<uint32_t> bits = mask_of(matcher);
    EXPECT_EQ(bits.back(), 0U);  // behind the vocabulary
    for (int32_t id = 0; id < vocabulary()->size(); ++id) {
      const Result result = matcher.accept(id);
      ASSERT_EQ(result == Result::kOk, allowed(bits, id)) << id << " before " << c;
      if (result == Result::kOk) ASSERT_EQ(matcher.rollback(1), Result::kOk);
    }
    ASSERT_EQ(mask_of(matcher), bits);
    ASSERT_EQ(matcher.accept(static_cast<unsigned char>(c)), Result::kOk) << c;
  }
  EXPECT_TRUE(matcher.can_end());
}

TEST(GrammarMatcher, EndsOnceAndOnlyWhereTheGrammarDoes) {
  GrammarMatcher matcher(grammar_of(GrammarKind::kRegex, "ab?"));
  EXPECT_FALSE(allowed(mask_of(matcher), kEnd));
  EXPECT_EQ(matcher.accept(kEnd), Result::kRefused);
  EXPECT_EQ(matcher.accept('a'), Result::kOk);
  EXPECT_TRUE(allowed(mask_of(matcher), kEnd));
  EXPECT_EQ(matcher.accept(kEnd), Result::kOk);
  EXPECT_TRUE(matcher.terminated());
  std::vector<uint32_t> bits(vocabulary()->mask_words());
  EXPECT_EQ(matcher.mask(bits), Result::kRefused);
  EXPECT_EQ(matcher.accept('b'), Result::kRefused);
  EXPECT_EQ(matcher.rollback(3), Result::kRefused);
  EXPECT_EQ(matcher.rollback(1), Result::kOk);
  EXPECT_FALSE(matcher.terminated());
  EXPECT_EQ(matcher.accept('b'), Result::kOk);
  EXPECT_EQ(matcher.rollback(2), Result::kOk);
  EXPECT_FALSE(allowed(mask_of(matcher), 'b'));
}

TEST(GrammarMatcher, ControlTokensAreNeverAllowed) {
  // Text that spells a control token.
  for (const char* rules : {"root ::= [^x]* \"<|start|>\"", "root ::= .*"}) {
    GrammarMatcher matcher(grammar_of(GrammarKind::kEbnf, rules));
    EXPECT_FALSE(allowed(mask_of(matcher), kStart)) << rules;
    EXPECT_EQ(matcher.accept(kStart), Result::kRefused) << rules;
  }
  GrammarMatcher matcher(grammar_of(GrammarKind::kRegex, "<tool>"));
  EXPECT_TRUE(allowed(mask_of(matcher), kTool));  // an added token that prints
  EXPECT_EQ(matcher.accept(-1), Result::kRefused);
  EXPECT_EQ(matcher.accept(vocabulary()->size()), Result::kRefused);
}

TEST(Grammar, FaultsAreTold) {
  using testing::HasSubstr;
  EXPECT_THAT(error_of(GrammarKind::kEbnf, "root ::= \"a\" foo"),
              HasSubstr("invalid_argument [text/grammar] line 1, column 14: the rule 'foo' is not "
                        "defined"));
  EXPECT_THAT(error_of(GrammarKind::kChoice, "[1]"), HasSubstr("choice: expected texts"));
  EXPECT_THAT(error_of(GrammarKind::kChoice, "[]"), HasSubstr("choice: expected a list"));
  EXPECT_THAT(error_of(GrammarKind::kRegex, "a(b"), HasSubstr("a '(' without its ')' at byte 3"));
  EXPECT_THAT(error_of(GrammarKind::kRegex, "(?=a)b"), HasSubstr("unsupported [text/grammar] a "
                                                                 "look-ahead"));
  EXPECT_THAT(error_of(GrammarKind::kRegex, "\xff"), HasSubstr("not UTF-8 at byte 0"));
  EXPECT_THAT(error_of(GrammarKind::kRegex, "[^\\s\\S]"), HasSubstr("no text"));
  EXPECT_THAT(error_of(GrammarKind::kJsonSchema, "{"), HasSubstr("invalid_argument"));
  EXPECT_THAT(error_of(GrammarKind::kStructuralTags, R"({"triggers": ["<a"], "structures": [
              {"begin": "<b>", "end": ""}]})"),
              HasSubstr("structures.0.begin: expected a text that begins as a trigger"));
  const auto calls = [](const std::string& text) { return error_of(GrammarKind::kCalls, text); };
  EXPECT_THAT(calls("[]"),
              HasSubstr("invalid_argument [text/grammar] structures: expected a list"));
  EXPECT_THAT(calls(R"({"structures": [{"begin": "", "end": ""}]})"),
              HasSubstr("structures.0.begin: expected a text that is not empty"));
  EXPECT_THAT(calls(R"({"structures": [{"begin": "a"}]})"),
              HasSubstr("structures.0.end: expected"));
  EXPECT_THAT(
      calls(R"({"structures": [{"begin": "a", "end": "", "schema": {"if": 1, "then": 1}}]})"),
      HasSubstr("unsupported [text/grammar] #/if: 'if' cannot"));
  EXPECT_THAT(calls(R"({"structures": [{"begin": "a", "end": ""}], "most": 2})"),
              HasSubstr("most: expected 0 or 1"));
  EXPECT_THAT(calls(R"({"structures": [{"begin": "a", "end": ""}], "separator": 1})"),
              HasSubstr("calls.separator: expected a text"));
  GrammarLimits limits;
  limits.max_text_bytes = 10;
  EXPECT_THAT(error_of(GrammarKind::kRegex, "aaaaaaaaaaaa", limits), HasSubstr("12 bytes"));
  limits = {};
  limits.max_rule_bytes = 100;
  EXPECT_THAT(error_of(GrammarKind::kJsonObject, "", limits), HasSubstr("more than 100 bytes"));
  limits = {};
  limits.max_bytes = 100;
  EXPECT_THAT(error_of(GrammarKind::kJsonObject, "", limits), HasSubstr("at most 100 are kept"));
  EXPECT_THROW(GrammarVocabulary::create(*byte_level_tokenizer(), {}), Error);
  EXPECT_THROW(GrammarVocabulary::create(*byte_level_tokenizer(), {263}), Error);
}

// What a stranger may send to keep a thread busy, or to end the process, is an error.
TEST(Grammar, TextsThatWouldTakeForeverAreRefused) {
  using testing::HasSubstr;
  const auto ebnf = [](const std::string& text) { return error_of(GrammarKind::kEbnf, text); };
  EXPECT_THAT(ebnf("root ::= Regex(\"" + std::string(60000, '(') + "\")"), HasSubstr("the macro"));
  EXPECT_THAT(ebnf("root ::= \"a\"{2147483649}"), HasSubstr("more than 10000 repetitions"));
  GrammarLimits small;
  small.max_steps = 2'000'000;
  small.max_time = std::chrono::hours(1);
  const auto regex = [&](const std::string& text) {
    return error_of(GrammarKind::kRegex, text, small);
  };
  std::string optional;
  for (int i = 0; i < 9000; ++i) optional += "a?";
  EXPECT_THAT(regex(optional), HasSubstr("too much work"));
  EXPECT_EQ(regex(std::string(100000, '^') + "a"), "");
  std::string codes;
  for (char32_t code = 0x4E00; code < 0x9E00; code += 2) append_utf8(codes, code);
  EXPECT_EQ(regex("[" + codes + "]"), "");
  EXPECT_THAT(regex("[" + codes + "]{2000}"), HasSubstr("too much work"));
  const auto schema = [&](const Json& json) {
    return error_of(GrammarKind::kJsonSchema, json.dump(), small);
  };
  Json low = Json::array(), high = Json::array();
  for (int i = 0; i < 3000; ++i) {
    low.push_back(i);
    high.push_back(3000 + i);
  }
  EXPECT_THAT(schema({{"allOf", {{{"enum", low}}, {{"enum", high}}}}}), HasSubstr("no value"));
  EXPECT_EQ(schema({{"oneOf", {{{"enum", low}}, {{"enum", high}}}}}), "");
}

// However many texts may stand at a place, a matcher is at one place of them.
TEST(Grammar, ManyTextsTakeFewStates) {
  Json texts = Json::array();
  for (int i = 0; i < 5000; ++i) {
    texts.push_back(fmt::format("{}\u00e9{}", i * 7919 % 10007, i % 3));
  }
  texts.push_back("1");
  texts.push_back("10");
  GrammarLimits limits;
  limits.max_states = 100;
  const auto takes = [](const std::shared_ptr<const Grammar>& grammar, const std::string& text) {
    GrammarMatcher matcher(grammar);
    std::vector<uint32_t> bits(vocabulary()->mask_words());
    for (const char c : text) {
      if (matcher.mask(bits) != Result::kOk) ADD_FAILURE() << text;
      if (matcher.accept(static_cast<unsigned char>(c)) != Result::kOk) return false;
    }
    return matcher.can_end();
  };
  const auto choice = grammar_of(GrammarKind::kChoice, texts.dump(), limits);
  EXPECT_NO_THROW(check_start(choice));
  const auto values = grammar_of(GrammarKind::kJsonSchema, Json{{"enum", texts}}.dump(), limits);
  for (size_t i = 0; i < texts.size(); i += 357) {
    const std::string text = texts[i];
    EXPECT_TRUE(takes(choice, text)) << text;
    EXPECT_TRUE(takes(values, texts[i].dump())) << text;
    EXPECT_FALSE(takes(choice, text + "x")) << text;
    EXPECT_FALSE(takes(choice, text.substr(0, text.size() - 1) + "3")) << text;
  }
  EXPECT_TRUE(takes(choice, "1"));
  EXPECT_TRUE(takes(choice, "10"));
  EXPECT_FALSE(takes(choice, ""));
}

TEST(Grammar, WhatCannotBeginIsTold) {
  GrammarLimits limits;
  limits.max_mask_steps = 5;
  const auto poor = grammar_of(GrammarKind::kEbnf, "root ::= [b-w]{2} [0-7]{3} \"zp\"", limits);
  EXPECT_THROW(check_start(poor), Error);
  EXPECT_NO_THROW(check_start(grammar_of(GrammarKind::kJsonObject, "")));
}

// Rules that mean a text in more and more ways: a matcher stops at its limits, for itself alone.
TEST(GrammarMatcher, AmbiguousRulesEndAtTheLimits) {
  for (const char* rules :
       {"root ::= a\na ::= a a | \"x\"", "root ::= a\na ::= a a a | a a | \"x\"",
        "root ::= a\na ::= \"x\" a \"x\" | \"x\" a a | \"x\"",
        "root ::= b*\nb ::= \"x\"{1,900} | \"x\" b"}) {
    GrammarLimits limits;
    limits.max_accept_steps = 20000;
    limits.max_states = 200;
    limits.max_kept_states = 20000;
    const auto grammar = grammar_of(GrammarKind::kEbnf, rules, limits);
    GrammarMatcher matcher(grammar);
    std::vector<uint32_t> bits(vocabulary()->mask_words());
    int taken = 0;
    while (taken < 20001 && matcher.mask(bits) == Result::kOk) {
      if (matcher.accept('x') != Result::kOk) break;
      ++taken;
    }
    EXPECT_GT(taken, 5) << rules;
    EXPECT_LE(taken, 20000) << rules;
    EXPECT_EQ(matcher.accept('x'), Result::kFault);
    EXPECT_EQ(matcher.mask(bits), Result::kFault);
    EXPECT_EQ(matcher.rollback(1), Result::kFault);
    EXPECT_FALSE(matcher.can_end());
    EXPECT_FALSE(matcher.terminated());
    GrammarMatcher other(grammar);
    EXPECT_EQ(other.mask(bits), Result::kOk);
    EXPECT_EQ(other.accept('x'), Result::kOk);
  }
}

TEST(GrammarMatcher, LongAnswersOfPlainRulesStayWithinTheLimits) {
  for (const char* rules :
       {"root ::= root \"x\" | \"x\"", "root ::= \"x\" root | \"x\"", "root ::= \"x\"*",
        "root ::= .*", "root ::= e\ne ::= e \"x\" t | t\nt ::= \"x\" | \"(\" e \")\""}) {
    GrammarMatcher matcher(grammar_of(GrammarKind::kEbnf, rules));
    for (int i = 0; i < 4001; ++i) ASSERT_EQ(matcher.accept('x'), Result::kOk) << rules << i;
    EXPECT_TRUE(matcher.can_end()) << rules;
    EXPECT_EQ(matcher.rollback(4000), Result::kOk);
    EXPECT_TRUE(matcher.can_end()) << rules;
  }
}

// Masks of a place where a matcher has been are cheap; what they may cost grows by little.
TEST(GrammarMatcher, MasksHaveAnAccountOfSteps) {
  GrammarLimits limits;
  limits.max_mask_steps = 5;
  const std::string rules = "root ::= \"a\" [b-y]{2} [0-7]{3} \"zq\"";  // of no other test
  GrammarMatcher poor(grammar_of(GrammarKind::kEbnf, rules, limits));
  std::vector<uint32_t> bits(vocabulary()->mask_words());
  EXPECT_EQ(poor.accept('a'), Result::kOk);
  EXPECT_EQ(poor.mask(bits), Result::kFault);
  limits.max_mask_steps = 20'000;
  GrammarMatcher rich(grammar_of(GrammarKind::kJsonObject, "", limits));
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(rich.mask(bits), Result::kOk) << i;
    ASSERT_EQ(rich.accept(i == 0 ? '{' : i == 1 ? '"' : 'x'), Result::kOk);
  }
}

TEST(GrammarMatcher, LongJsonKeepsFewStates) {
  GrammarLimits limits;
  limits.max_kept_states = 400'000;  // 20 a byte
  GrammarMatcher matcher(grammar_of(GrammarKind::kJsonObject, "", limits));
  Json value = Json::object();
  for (int i = 0; i < 400; ++i) {
    value[fmt::format("k{}", i)] = {{"a", Json::array({1, -2.5, "text \n", nullptr})}, {"b", true}};
  }
  const std::string text = value.dump();
  EXPECT_GT(text.size(), 18000U);
  for (const char c : text) {
    ASSERT_EQ(matcher.accept(static_cast<unsigned char>(c)), Result::kOk);
  }
  EXPECT_TRUE(matcher.can_end());
}

TEST(Grammar, CompilingHasAnEnd) {
  using testing::HasSubstr;
  GrammarLimits limits;
  limits.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_THAT(error_of(GrammarKind::kRegex, "a{1,100}", limits), HasSubstr("its time is over"));
  EXPECT_THAT(error_of(GrammarKind::kJsonObject, "", limits), HasSubstr("its time is over"));
  limits = {};
  limits.max_time = std::chrono::milliseconds(-1);
  EXPECT_THAT(error_of(GrammarKind::kRegex, "a{1,100}", limits), HasSubstr("its time is over"));
  limits = {};
  limits.max_steps = 1000;
  EXPECT_EQ(error_of(GrammarKind::kRegex, "a", limits), "");
  EXPECT_THAT(error_of(GrammarKind::kRegex, "a{1,400}", limits), HasSubstr("more than 1000 steps"));
}

TEST(Grammar, OneServesManyThreads) {
  const auto grammar = grammar_of(GrammarKind::kJsonObject, "");
  const std::string text = R"({"a": [1, 2.5, "x\ny"], "the": {"ll": null}})";
  std::vector<std::vector<std::vector<uint32_t>>> masks(4);
  std::vector<std::thread> threads;
  for (auto& mine : masks) {
    threads.emplace_back([&grammar, &text, &mine] {
      GrammarMatcher matcher(grammar);
      for (const char c : text) {
        mine.push_back(mask_of(matcher));
        EXPECT_EQ(matcher.accept(static_cast<unsigned char>(c)), Result::kOk);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : masks) EXPECT_EQ(mine, masks[0]);
}

}  // namespace
}  // namespace ingot
