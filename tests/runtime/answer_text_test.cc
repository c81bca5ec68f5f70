#include "runtime/answer_text.h"

#include <gtest/gtest.h>

#include <thread>

#include "runtime/text_session.h"
#include "tensor/device.h"
#include "tests/runtime/tiny_engine.h"
#include "tests/text/test_vocabularies.h"

namespace ingot {
namespace {

TokenEvent event_of(const std::vector<TokenId>& tokens, FinishReason finish = FinishReason::kNone) {
  TokenEvent out;
  for (TokenId token : tokens) out.tokens[out.count++] = token;
  out.finish = finish;
  return out;
}

// Byte-level: the ids are the bytes.
TEST(AnswerTextTest, TextComesInWholeCharactersAndWithoutTheEndingToken) {
  const auto tokenizer = byte_level_tokenizer();
  std::vector<std::string> said;
  AnswerText answer(tokenizer.get(), {},
                    [&](const TextPiece& piece) { said.emplace_back(piece.text); });
  answer.take(event_of({'a', 0xC3}));
  EXPECT_EQ(said, (std::vector<std::string>{"a"}));
  answer.take(event_of({0xA9, 'b'}, FinishReason::kStop));  // 'b' ended it
  answer.end();
  EXPECT_EQ(answer.result().text, "a\u00e9");
  EXPECT_EQ(said, (std::vector<std::string>{"a", "\u00e9"}));
  EXPECT_EQ(answer.result().token_ids.size(), 4u);
  EXPECT_EQ(answer.result().finish, FinishReason::kStop);
  EXPECT_FALSE(answer.stopped());
}

TEST(AnswerTextTest, WithoutATokenizerIdsComeAndNoText) {
  std::vector<std::vector<int32_t>> said;
  AnswerText answer(nullptr, {}, [&](const TextPiece& piece) {
    EXPECT_TRUE(piece.text.empty());
    said.emplace_back(piece.token_ids.begin(), piece.token_ids.end());
  });
  answer.take(event_of({7, 8}));
  answer.take(event_of({9, 2}, FinishReason::kStop));  // 2 ended it
  answer.end();
  EXPECT_EQ(said, (std::vector<std::vector<int32_t>>{{7, 8}, {9}}));
  EXPECT_EQ(answer.result().token_ids, (std::vector<int32_t>{7, 8, 9, 2}));
  EXPECT_EQ(answer.result().text, "");
}

TEST(AnswerTextTest, AStopStringEndsItAndLaterTokensAreDropped) {
  const auto tokenizer = byte_level_tokenizer();
  AnswerText answer(tokenizer.get(), {.stops = {"bc"}}, nullptr);
  answer.take(event_of({'a', 'b'}));
  EXPECT_EQ(answer.result().text, "a");  // "b" may be the start of the stop
  EXPECT_FALSE(answer.stopped());
  answer.take(event_of({'c', 'd'}));
  EXPECT_TRUE(answer.stopped());
  answer.take(event_of({'e'}, FinishReason::kCancelled));
  answer.end();
  EXPECT_EQ(answer.result().text, "a");
  EXPECT_EQ(answer.result().token_ids, (std::vector<int32_t>{'a', 'b', 'c'}));
  EXPECT_EQ(answer.result().finish, FinishReason::kStop);
}

TEST(AnswerTextTest, StopsAndControlTokensAreShownWhereAsked) {
  const auto tokenizer = byte_level_tokenizer();
  AnswerText stop(tokenizer.get(), {.stops = {"bc"}, .include_stop = true}, nullptr);
  stop.take(event_of({'a', 'b', 'c', 'd'}, FinishReason::kLength));
  EXPECT_EQ(stop.result().text, "abc");
  EXPECT_EQ(stop.result().text_tokens, 3u);
  EXPECT_EQ(stop.result().finish, FinishReason::kStop);
  constexpr TokenId kStart = 260, kEnd = 261;
  for (const bool all : {false, true}) {
    for (const bool include : {false, true}) {
      AnswerText answer(tokenizer.get(), {.all_shown = all, .include_stop = include}, nullptr);
      answer.take(event_of({'a', kStart, 'b', kEnd}, FinishReason::kStop));
      const std::string end = all && include ? "<|end|>" : "";
      EXPECT_EQ(answer.result().text, (all ? "a<|start|>b" : "ab") + end);
      EXPECT_EQ(answer.result().text_tokens, include ? 4u : 3u);
    }
  }
}

TEST(AnswerTextTest, HeldBackTextComesAtTheEnd) {
  const auto tokenizer = byte_level_tokenizer();
  AnswerText answer(tokenizer.get(), {.stops = {"bc"}}, nullptr);
  answer.take(event_of({'a', 'b'}, FinishReason::kLength));
  answer.end();
  EXPECT_EQ(answer.result().text, "ab");
  EXPECT_EQ(answer.result().finish, FinishReason::kLength);
}

// What a listener heard: texts, and the bytes (ids) of the tokens that came with each.
struct Heard {
  std::vector<std::string> texts, tokens;
  std::vector<float> logprobs;
  AnswerText answer;
  Heard(const Tokenizer* tokenizer, std::vector<std::string> stops)
      : answer(tokenizer, {.stops = stops}, [this](const TextPiece& piece) {
          texts.emplace_back(piece.text);
          tokens.emplace_back();
          for (const int32_t id : piece.token_ids) tokens.back() += static_cast<char>(id);
          EXPECT_EQ(piece.logprobs.size(), piece.token_ids.size());
          for (const TokenLogprobs& one : piece.logprobs) logprobs.push_back(one.chosen);
        }) {}
  void take(const std::vector<TokenId>& ids, FinishReason finish = FinishReason::kNone) {
    TokenEvent event = event_of(ids, finish);
    for (const TokenId id : ids) event.logprobs.push_back({static_cast<float>(-id), {}});
    answer.take(event);
  }
  void check() const {  // every log probability belongs to the token beside it
    size_t i = 0;
    for (const std::string& some : tokens) {
      for (const char c : some) {
        ASSERT_LT(i, logprobs.size());
        EXPECT_EQ(logprobs[i++], -static_cast<float>(static_cast<unsigned char>(c)));
      }
    }
    EXPECT_EQ(i, answer.result().text_tokens);
    EXPECT_EQ(answer.result().logprobs.size(), answer.result().token_ids.size());
  }
};

TEST(AnswerTextTest, TokensComeWithTheTextTheyMade) {
  const auto tokenizer = byte_level_tokenizer();
  Heard heard(tokenizer.get(), {"xyz"});
  heard.take({'a', 0xC3});
  heard.take({0xA9});      // completes a character of two tokens
  heard.take({'x', 'y'});  // held back: may be the stop string
  heard.take({'b'});
  heard.take({'x', '!'}, FinishReason::kStop);  // '!' ended it; 'x' is text after all
  heard.answer.end();
  EXPECT_EQ(heard.texts, (std::vector<std::string>{"a", "\u00e9", "xyb", "x"}));
  EXPECT_EQ(heard.tokens, (std::vector<std::string>{"a", "\xC3\xA9", "xyb", "x"}));
  heard.check();
  EXPECT_EQ(heard.answer.result().token_ids.size(), 8u);
  EXPECT_EQ(heard.answer.result().text_tokens, 7u);
}

TEST(AnswerTextTest, TokensOfAStopStringAreNotAmongThoseOfTheText) {
  const auto tokenizer = byte_level_tokenizer();
  Heard heard(tokenizer.get(), {"bc"});
  heard.take({'a', 'b', 'c', 'd'});
  heard.answer.end();
  EXPECT_EQ(heard.texts, std::vector<std::string>{"a"});
  EXPECT_EQ(heard.tokens, std::vector<std::string>{"a"});
  heard.check();
  EXPECT_EQ(heard.answer.result().token_ids, (std::vector<int32_t>{'a', 'b', 'c'}));
}

TEST(AnswerTextTest, ATokenThatAStopStringCutsIsAmongThem) {
  const auto tokenizer = byte_level_tokenizer();
  AnswerText answer(tokenizer.get(), {.stops = {"e!"}}, nullptr);
  answer.take(event_of({257}));  // "the"
  EXPECT_EQ(answer.result().text, "th");
  EXPECT_EQ(answer.result().text_tokens, 0u);
  answer.take(event_of({'!'}));
  EXPECT_EQ(answer.result().text, "th");
  EXPECT_EQ(answer.result().text_tokens, 1u);
  EXPECT_TRUE(answer.stopped());
}

TEST(AnswerTextTest, EachChoiceHasItsOwnTextAndEnd) {
  const auto tokenizer = byte_level_tokenizer();
  std::vector<std::string> said(3);
  AnswerText answer(
      tokenizer.get(), {.stops = {"!"}},
      [&](const TextPiece& piece) { said.at(static_cast<size_t>(piece.choice)) += piece.text; }, 3);
  const auto give = [&](int32_t choice, const std::vector<TokenId>& ids,
                        FinishReason finish = FinishReason::kNone) {
    TokenEvent event = event_of(ids, finish);
    event.choice = choice;
    answer.take(event);
  };
  give(0, {'a', 0xC3});
  give(1, {'x', '!', 'y'});
  EXPECT_FALSE(answer.stopped());  // the others go on
  give(0, {0xA9}, FinishReason::kLength);
  give(1, {'z'});  // dropped
  EXPECT_FALSE(answer.stopped());
  give(2, {'q', '!'});
  EXPECT_TRUE(answer.stopped());
  answer.end();
  EXPECT_EQ(said, (std::vector<std::string>{"a\u00e9", "x", "q"}));
  EXPECT_EQ(answer.result(0).finish, FinishReason::kLength);
  EXPECT_EQ(answer.result(1).finish, FinishReason::kStop);
  EXPECT_EQ(answer.result(2).text, "q");
  AnswerText whole(tokenizer.get(), {.stops = {"!"}}, nullptr, 1);
  whole.take(event_of({'a'}, FinishReason::kLength));
  EXPECT_FALSE(whole.stopped());  // nothing is left to cancel
}

// A choice of beam search for which there was no beam.
TEST(AnswerTextTest, AChoiceThatStopsWithoutATokenIsEmpty) {
  const auto tokenizer = byte_level_tokenizer();
  AnswerText answer(tokenizer.get(), {.stops = {"x"}}, nullptr, 2);
  answer.take(event_of({'a', 0}, FinishReason::kStop));
  TokenEvent none = event_of({}, FinishReason::kStop);
  none.choice = 1;
  answer.take(none);
  answer.end();
  EXPECT_EQ(answer.result(0).text, "a");
  EXPECT_EQ(answer.result(1).text, "");
  EXPECT_EQ(answer.result(1).text_tokens, 0u);
  EXPECT_EQ(answer.result(1).finish, FinishReason::kStop);
}

// As a server does it: the loop on one thread, a worker for each request.
TEST(AnswerTextTest, WorkersReadWhatTheLoopsThreadWrites) {
  const auto device = make_cpu_device(1);
  const auto tokenizer = byte_level_tokenizer();
  SessionOptions options;
  options.reference = true;
  options.sequences = 3;
  TextSession session(tiny_engine(), *device, options);
  const auto ask = [&](TokenId first) {
    GenerateInput input;
    input.prompt = {first, 51, 52};
    input.sampling.max_tokens = 20;
    input.tokenizer = tokenizer.get();
    return input;
  };
  std::vector<std::string> expected, found(3);
  for (TokenId i = 0; i < 3; ++i) expected.push_back(session.generate(ask(40 + i), nullptr).text);
  std::thread engine([&] { session.loop().run(); });
  std::vector<std::thread> workers;
  for (TokenId i = 0; i < 3; ++i) {
    workers.emplace_back([&, i] {
      const auto outbox = session.loop().submit(session.prepare(ask(40 + i)));
      AnswerText answer(tokenizer.get(), {}, nullptr);
      while (const TokenEvent* event = outbox->wait()) answer.take(*event);
      answer.end();
      found[static_cast<size_t>(i)] = answer.result().text;
    });
  }
  for (std::thread& worker : workers) worker.join();
  session.loop().stop();
  engine.join();
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace ingot
