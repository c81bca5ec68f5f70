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
  AnswerText answer(tokenizer.get(), {}, [&](std::string_view text) { said.emplace_back(text); });
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

TEST(AnswerTextTest, AStopStringEndsItAndLaterTokensAreDropped) {
  const auto tokenizer = byte_level_tokenizer();
  AnswerText answer(tokenizer.get(), {"bc"}, nullptr);
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

TEST(AnswerTextTest, HeldBackTextComesAtTheEnd) {
  const auto tokenizer = byte_level_tokenizer();
  AnswerText answer(tokenizer.get(), {"bc"}, nullptr);
  answer.take(event_of({'a', 'b'}, FinishReason::kLength));
  answer.end();
  EXPECT_EQ(answer.result().text, "ab");
  EXPECT_EQ(answer.result().finish, FinishReason::kLength);
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
      Request request;
      request.prompt = ask(40 + i).prompt;
      request.sampling = ask(40 + i).sampling;
      const auto outbox = session.loop().submit(std::move(request));
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
