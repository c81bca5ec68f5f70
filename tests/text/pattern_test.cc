// The hand-written scanners equal PCRE2 on the same expression; long runs are linear and need
// little stack.
#include "text/tokenizer_pipeline/pattern.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include "tests/base/growth.h"
#include "tests/text/test_vocabularies.h"

namespace ingot {
namespace {

using Bounds = std::vector<std::pair<size_t, size_t>>;

Bounds matches(const Pattern& pattern, std::string_view text) {
  Bounds out;
  pattern.for_each(text, [&](size_t begin, size_t end) { out.emplace_back(begin, end); });
  return out;
}

const char* const kPieces[] = {
    " ",    "  ",     "\n",      "\r\n",   "\t",     "\u00a0", "\u3000", "'s",         "'S",
    "'LL",  "'re",    "'\u017f", "'",      "a",      "Z",      "\u00e9", "\u4eba",     "0",
    "12",   "\u0661", "\u00b2",  "!",      "?!",     "_",      "\u0301", "\U0001F600", "\u200d",
    "\x01", "the",    "1234567", "\u2028", "\u0085", "\u180e", "\u00df"};

TEST(Scanners, EqualPcreOnRandomTexts) {
  uint64_t state = 7;
  const auto next = [&](size_t n) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<size_t>(state >> 33) % n;
  };
  int compared = 0;
  for (const std::string_view expression : {kGpt2Split, kLlama3Split, kQwen2Split}) {
    const auto fast = make_regex_pattern(expression, "test");
    const auto slow = make_pcre_pattern(expression, "test");
    for (int i = 0; i < 3000; ++i) {
      std::string text;
      for (size_t n = next(12) + 1; n > 0; --n) text += kPieces[next(std::size(kPieces))];
      ASSERT_EQ(matches(*fast, text), matches(*slow, text)) << expression << "\n" << text;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 9000);
}

TEST(Pattern, SyntaxThatMeansSomethingElseInPcre) {
  const auto all = [](std::string_view expression, std::string_view text) {
    std::string out;
    for (const auto& [b, e] : matches(*make_regex_pattern(expression, "t"), text)) {
      out += std::string(text.substr(b, e - b)) + "|";
    }
    return out;
  };
  EXPECT_EQ(all("\\w+", "a\u0301 _1-\u2167"), "a\u0301|_1|\u2167|");
  EXPECT_EQ(all("[\\w-]+", "a\u0301 _1-\u2167"), "a\u0301|_1-\u2167|");
  EXPECT_EQ(all("\\s", "a\u180e b"), " |");
  EXPECT_EQ(all("^x", "x\nx"), "x|x|");
  EXPECT_EQ(all("[]a]+", "]a b"), "]a|");
  for (const char* refused :
       {"[a[^b]]", "[a[b]", "[a&&b]", "[\\W]", "\\bx", "a{1,2}+", "(", "[[:alpha"}) {
    EXPECT_THROW(make_regex_pattern(refused, "t"), Error) << refused;
  }
}

TEST(Pattern, RunawayExpressionsEndWithAnError) {
  const auto pattern = make_regex_pattern("(a|aa)+$b|(x+x+)+y", "t");
  EXPECT_THROW(matches(*pattern, std::string(5000, 'x')), Error);
}

// 1 MiB of one class, through whole tokenizers, in a thread with 256 KiB of stack.
struct Job {
  const Tokenizer* tokenizer;
  std::string text;
  size_t ids = 0;
  bool round_trip = false;
};

void* encode_job(void* argument) {
  Job& job = *static_cast<Job*>(argument);
  const auto ids = job.tokenizer->encode(job.text, {.add_special = false});
  job.ids = ids.size();
  job.round_trip = job.tokenizer->decode(ids) == job.text;
  return nullptr;
}

void run_on_small_stack(Job& job) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, encode_job, &job), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(Tokenizer, LongRunsOfOneClassNeedLittleStackAndNoQuadraticTime) {
  std::vector<std::unique_ptr<const Tokenizer>> tokenizers;
  tokenizers.push_back(byte_level_tokenizer());
  // The last has no scanner: PCRE2 splits.
  const std::string cased = std::string(kLlama3Split) + "|\\p{Lu}";
  for (const std::string_view split : {kLlama3Split, kQwen2Split, std::string_view(cased)}) {
    Json j = byte_level_json();
    j["pre_tokenizer"] = {
        {"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", split}}}},
          {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
    tokenizers.push_back(Tokenizer::load(j.dump(), "test"));
  }
  tokenizers.push_back(Tokenizer::load(make_tokenizer_spec(sentencepiece_vocab()), "test"));
  for (size_t i = 0; i < tokenizers.size(); ++i) {
    const auto encode_runs = [&](int64_t bytes) {
      double seconds = 0;
      for (const std::string unit :
           {"a", " ", "\n", "1", "!", "'", "\u4eba", "\u0301", "ab", "a ", "<|end|", "\r\n"}) {
        Job job{tokenizers[i].get(), "", 0, false};
        while (job.text.size() < static_cast<size_t>(bytes)) job.text += unit;
        seconds += cpu_seconds([&] { run_on_small_stack(job); });
        EXPECT_TRUE(job.round_trip) << unit;
      }
      return seconds;
    };
    ASSERT_LT(growth_from(1 << 12, encode_runs), kMostGrowth) << "tokenizer " << i;
    encode_runs(1 << 20);
  }
}

}  // namespace
}  // namespace ingot
