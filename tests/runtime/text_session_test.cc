#include "runtime/text_session.h"

#include "tests/loaders/test_files.h"
#include "tests/runtime/tiny_engine.h"
#include "tests/text/test_vocabularies.h"

namespace ingot {
namespace {

SessionOptions session_options() {
  SessionOptions out;
  out.reference = true;
  return out;
}

GenerateInput numbers(int64_t count) {
  GenerateInput out;
  out.prompt = {50, 51, 52, 53};
  out.sampling.max_tokens = count;
  return out;
}

TEST(TextSessionTest, TextIsTheTokensAndStopsEndIt) {
  const auto device = make_cpu_device(1);
  TextSession session(tiny_engine(), *device, session_options());
  const auto tokenizer = byte_level_tokenizer();
  GenerateInput input = numbers(24);
  input.tokenizer = tokenizer.get();
  std::string streamed;
  const auto listen = [&](std::string_view text) { streamed += text; };
  const Generation whole = session.generate(input, listen);
  EXPECT_EQ(whole.finish, FinishReason::kLength);
  ASSERT_EQ(whole.token_ids.size(), 24u);
  EXPECT_EQ(whole.text, tokenizer->decode(whole.token_ids));
  EXPECT_EQ(streamed, whole.text);
  // The same request again is the same answer, cut before the stop string.
  const std::string stop = whole.text.substr(10, 2);
  input.stops = {stop};
  streamed.clear();
  const Generation cut = session.generate(input, listen);
  EXPECT_EQ(cut.finish, FinishReason::kStop);
  EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(stop)));
  EXPECT_EQ(streamed, cut.text);
  EXPECT_LT(cut.token_ids.size(), whole.token_ids.size());
}

TEST(TextSessionTest, WhatCannotRunIsRefusedAtOnce) {
  const auto device = make_cpu_device(1);
  SessionOptions options = session_options();
  options.context = 40;
  TextSession session(tiny_engine(), *device, options);
  EXPECT_EQ(session.context(), 40);
  EXPECT_EQ(engine_context(*tiny_engine()), 256);
  const auto refuse = [&](GenerateInput input, std::vector<std::string> parts) {
    expect_error([&] { session.generate(input, nullptr); }, ErrorCode::kInvalidArgument, parts);
    expect_error([&] { session.prepare(input); }, ErrorCode::kInvalidArgument, parts);
  };
  GenerateInput input = numbers(5);
  input.prompt.resize(40, 1);
  refuse(input, {"fewer than 40", "found 40"});
  input.prompt.clear();
  refuse(input, {"no tokens"});
  input.prompt = {97};
  refuse(input, {"prompt id 97", "0 to 96"});
  input = numbers(5);
  input.stops = {"x"};
  refuse(input, {"tokenizer"});
  input = numbers(5);
  input.sampling.top_p = 0;
  refuse(input, {"top_p"});
  input = numbers(5);
  input.sampling.beam_width = 2;
  refuse(input, {"choices or beams", "at most 1", "found 2"});
}

TEST(TextSessionTest, APreparedRequestIsTheInputs) {
  const auto device = make_cpu_device(1);
  SessionOptions options = session_options();
  options.sequences = 2;
  options.context = 200;
  options.kv_pages = 3;  // 96 tokens: less than the context
  TextSession session(tiny_engine(), *device, options);
  GenerateInput input = numbers(7);
  input.sampling.n = 2;
  const Request request = session.prepare(input);
  EXPECT_EQ(request.prompt, input.prompt);
  EXPECT_EQ(request.sampling.max_tokens, 7);
  EXPECT_EQ(request.sampling.n, 2);
  const auto outbox = session.loop().submit(request);
  AnswerText answer(nullptr, {}, nullptr, 2);
  while (session.loop().step()) {
  }
  while (const TokenEvent* event = outbox->poll()) answer.take(*event);
  EXPECT_EQ(answer.result(0).token_ids.size(), 7u);
  EXPECT_EQ(answer.result(1).token_ids.size(), 7u);
  expect_error([&] { session.generate(input, nullptr); }, ErrorCode::kInvalidArgument,
               {"n: expected 1", "found 2"});
  input.prompt.resize(96, 1);
  expect_error([&] { session.prepare(input); }, ErrorCode::kInvalidArgument, {"fewer than 96"});
}

TEST(TextSessionTest, AListenerThatThrowsEndsItsRequest) {
  const auto device = make_cpu_device(1);
  TextSession session(tiny_engine(), *device, session_options());
  const auto tokenizer = byte_level_tokenizer();
  GenerateInput input = numbers(100);
  input.tokenizer = tokenizer.get();
  EXPECT_THROW(session.generate(input, [](std::string_view) { throw 42; }), int);
  while (session.loop().step()) {
  }
  EXPECT_EQ(session.loop().stats().requests_cancelled, 1);
  EXPECT_LT(session.loop().stats().output_tokens, 10);
}

TEST(TextSessionTest, TheQueueCanBeBounded) {
  const auto device = make_cpu_device(1);
  for (const bool by_tokens : {false, true}) {
    SessionOptions options = session_options();
    (by_tokens ? options.max_queued_tokens : options.max_queued_requests) = by_tokens ? 7 : 1;
    TextSession session(tiny_engine(), *device, options);
    const auto first = session.loop().submit(session.prepare(numbers(3)));
    const auto second = session.loop().submit(session.prepare(numbers(3)));
    ASSERT_NE(second->poll(), nullptr);
    EXPECT_TRUE(second->done());
    EXPECT_EQ(first->poll(), nullptr);
    EXPECT_EQ(session.loop().stats().requests_overloaded, 1);
  }
}

}  // namespace
}  // namespace ingot
