#include "text/grammar/number_grammar.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/text/test_vocabularies.h"
#include "text/grammar.h"

namespace ingot {
namespace {

// Answers for texts whether a schema's grammar takes them.
class Numbers {
 public:
  explicit Numbers(const Json& schema)
      : grammar_(Grammar::compile(GrammarVocabulary::create(*byte_level_tokenizer(), {261}),
                                  {GrammarKind::kJsonSchema, schema.dump()})) {}
  bool take(const std::string& text) const {
    GrammarMatcher matcher(grammar_);
    for (const char c : text) {
      if (matcher.accept(static_cast<unsigned char>(c)) != GrammarMatcher::Result::kOk)
        return false;
    }
    return matcher.can_end();
  }

 private:
  std::shared_ptr<const Grammar> grammar_;
};

TEST(Decimal, IsExact) {
  const auto of = [](const char* text) { return Decimal::of(Json::parse(text)); };
  EXPECT_EQ(of("-0.0").compare(of("0")), 0);
  EXPECT_EQ(of("1e3").text(), "1000");
  EXPECT_EQ(of("-1.50").text(), "-1.5");
  EXPECT_EQ(of("0.1").compare(of("0.10000000000000002")), -1);
  EXPECT_EQ(of("-2").compare(of("-10")), 1);
  EXPECT_EQ(of("9007199254740993").text(), "9007199254740993");  // no double
  EXPECT_TRUE(of("2.0").whole());
  EXPECT_THROW(of("1e-300"), Error);
}

// Whole numbers around random bounds and multiples.
TEST(NumberGrammar, WholeNumbersWithinLimits) {
  std::mt19937 random(1);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint32_t>(n)); };
  for (int round = 0; round < 60; ++round) {
    Json schema = {{"type", "integer"}};
    const int low = below(700) - 350, high = low + below(250);
    if (round % 4 != 1) schema[round % 3 == 0 ? "exclusiveMinimum" : "minimum"] = low;
    if (round % 4 != 2) schema[round % 5 == 0 ? "exclusiveMaximum" : "maximum"] = high + 1.5;
    if (round % 2 == 0) schema["multipleOf"] = 1 + below(30);
    const int multiple = schema.value("multipleOf", 1);
    const auto within = [&](int n) {
      return n % multiple == 0 && n >= schema.value("minimum", -100000) &&
             n > schema.value("exclusiveMinimum", -100000) && n <= schema.value("maximum", 1e9) &&
             n < schema.value("exclusiveMaximum", 1e9);
    };
    bool some = false;
    for (int n = -1200; n <= 1200; ++n) some = some || within(n);
    if (!some) continue;
    const Numbers numbers(schema);
    for (int n = -1200; n <= 1200; n += 1 + below(3)) {
      ASSERT_EQ(numbers.take(std::to_string(n)), within(n)) << schema.dump() << " " << n;
    }
    for (const char* bad : {"-0", "00", "01", "+1", "1.0", "", "-"}) {
      EXPECT_FALSE(numbers.take(bad)) << schema.dump() << " " << bad;
    }
  }
}

TEST(NumberGrammar, FractionsWithinLimits) {
  std::mt19937 random(2);
  const auto thousandth = [&] {
    return static_cast<double>(static_cast<int>(random() % 40000) - 20000) / 1e3;
  };
  for (int round = 0; round < 40; ++round) {
    const double a = thousandth(), b = thousandth();
    Json schema = {{"type", "number"}};
    if (round % 4 != 1) schema[round % 3 == 0 ? "exclusiveMinimum" : "minimum"] = std::min(a, b);
    if (round % 4 != 2) schema[round % 5 == 0 ? "exclusiveMaximum" : "maximum"] = std::max(a, b);
    const Numbers numbers(schema);
    for (int i = 0; i < 300; ++i) {
      double value = thousandth();
      if (i % 3 == 0) value = i % 2 == 0 ? a : b;
      if (i % 5 == 0) value += i % 2 == 0 ? 1e-6 : -1e-6;
      std::string text = fmt::format("{:.6f}", value);
      while (i % 7 != 0 && (text.back() == '0' || text.back() == '.')) {
        const bool point = text.back() == '.';
        text.pop_back();
        if (point) break;
      }
      if (text.starts_with("-0") && std::stod(text) == 0) continue;
      const double n = std::stod(text);
      const bool within =
          n >= schema.value("minimum", -1e9) && n > schema.value("exclusiveMinimum", -1e9) &&
          n <= schema.value("maximum", 1e9) && n < schema.value("exclusiveMaximum", 1e9);
      ASSERT_EQ(numbers.take(text), within) << schema.dump() << " " << text;
    }
    for (const char* bad : {"-0", "-0.0", ".5", "1.", "00.1"}) {
      EXPECT_FALSE(numbers.take(bad)) << schema.dump() << " " << bad;
    }
  }
}

TEST(NumberGrammar, LargeBounds) {
  const Numbers wide(
      Json{{"type", "integer"}, {"minimum", -9007199254740991}, {"maximum", 9007199254740991}});
  EXPECT_TRUE(wide.take("9007199254740991"));
  EXPECT_FALSE(wide.take("9007199254740992"));
  EXPECT_TRUE(wide.take("-9007199254740991"));
  EXPECT_FALSE(wide.take("-9007199254740992"));
  const Numbers open(Json{{"type", "integer"}, {"minimum", 1000}});
  EXPECT_FALSE(open.take("999"));
  EXPECT_TRUE(open.take("1000"));
  EXPECT_TRUE(open.take("12345678901234567890"));
  EXPECT_FALSE(open.take("123456789012345678901"));  // more than 20 digits
  EXPECT_FALSE(open.take("-1000"));
}

}  // namespace
}  // namespace ingot
