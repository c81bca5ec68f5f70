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
}

}  // namespace
}  // namespace ingot
