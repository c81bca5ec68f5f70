// Streams of chat answers, as servers of many makers write them, whole and cut at every byte.
#include "cli/contract/remote_chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace ingot {
namespace remote_chat_test {

using testing::HasSubstr;

struct Heard {
  std::string text, shown, thoughts, reason, error;
  int64_t tokens = 0;
  bool operator==(const Heard&) const = default;
};

Heard hear_pieces(const std::vector<std::string_view>& pieces, std::string_view type) {
  Heard out;
  const auto show = [&](std::string_view text) { out.shown += text; };
  const auto think = [&](std::string_view text) { out.thoughts += text; };
  ChatStream stream(show, think);
  try {
    for (const std::string_view piece : pieces) stream.take(piece);
    stream.finish(type);
    out.reason = stream.reason();
  } catch (const Error& error) {
    out.error = error.what();
  }
  out.text = stream.text();
  out.tokens = stream.tokens();
  return out;
}

// The same however it is cut.
Heard hear(std::string_view bytes, std::string_view type = "text/event-stream") {
  const Heard whole = hear_pieces({bytes}, type);
  std::vector<std::string_view> single;
  for (size_t at = 0; at < bytes.size(); ++at) {
    single.push_back(bytes.substr(at, 1));
    EXPECT_EQ(hear_pieces({bytes.substr(0, at), bytes.substr(at)}, type), whole) << at;
  }
  EXPECT_EQ(hear_pieces(single, type), whole);
  EXPECT_EQ(whole.text, whole.shown);
  return whole;
}

TEST(ChatStream, takes_blanks_comments_line_ends_and_other_fields) {
  const Heard heard = hear(
      ": ping\r\n\r\n"
      "event: message\r\nid: 1\r\ndata:{ \"choices\" : [ { \"delta\" : { \"role\" : \"assistant\" ,"
      " \"content\" : \"\" } , \"finish_reason\" : null } ] }\r\n\r\n"
      "data: {\"choices\": [{\"delta\": {\"content\": \"Hé\"}}]}\n\n"
      "data: {\"choices\": [{\"delta\":\ndata: {\"content\": \"llo\"}}]}\n\n"
      "data: {\"choices\": [{\"delta\": {}, \"finish_reason\": \"length\"}]}\r\r"
      "data: {\"choices\": [], \"usage\": {\"completion_tokens\": 9}}\n\n"
      "data: [DONE] \n\ndata: not looked at\n\n");
  EXPECT_EQ(heard.error, "");
  EXPECT_EQ(heard.text, "Héllo");
  EXPECT_EQ(heard.reason, "length");
  EXPECT_EQ(heard.tokens, 9);
}

TEST(ChatStream, done_or_a_reason_ends_it) {
  const std::string part = "data: {\"choices\": [{\"delta\": {\"content\": \"a\"}}]}\n\n";
  const std::string end = "data: {\"choices\": [{\"delta\": {}, \"finish_reason\": \"stop\"}]}\n\n";
  EXPECT_EQ(hear(part + end).reason, "stop");
  EXPECT_EQ(hear(part + "data: [DONE]\n\n").reason, "stop");
  EXPECT_EQ(hear(part + part + end).tokens, 2);
  EXPECT_THAT(hear(part).error, HasSubstr("ended before the answer did"));
  EXPECT_THAT(hear(part + "data: {\"cho").error, HasSubstr("ended before the answer did"));
  EXPECT_THAT(hear("").error, HasSubstr("ended before the answer did"));
  EXPECT_THAT(hear("data: {\"cho").error, HasSubstr("ended before the answer did"));
  EXPECT_EQ(hear(part).text, "a");
}

TEST(ChatStream, thoughts_are_no_text) {
  const Heard heard = hear(
      "data: {\"choices\": [{\"delta\": {\"reasoning_content\": \"hm\"}}]}\n\n"
      "data: {\"choices\": [{\"delta\": {\"content\": \"a\", \"reasoning_content\": null}}]}\n\n"
      "data: [DONE]\n\n");
  EXPECT_EQ(heard.text, "a");
  EXPECT_EQ(heard.thoughts, "hm\n");
}

TEST(ChatStream, errors_in_the_middle) {
  const std::string part = "data: {\"choices\": [{\"delta\": {\"content\": \"a\"}}]}\n\n";
  EXPECT_THAT(hear(part + "data: {\"error\": {\"message\": \"drained\"}}\n\n").error,
              HasSubstr("gave up the answer: drained"));
  EXPECT_THAT(hear(part + "event: error\ndata: {\"message\": \"full\"}\n\n").error,
              HasSubstr("gave up the answer: full"));
  EXPECT_THAT(hear(part + "data: {\"object\": \"error\", \"message\": \"no\"}\n\n").error,
              HasSubstr("gave up the answer: no"));
  EXPECT_THAT(hear(part + "data: <html>\n\n").error, HasSubstr("expected JSON"));
  const std::string deep(1000, '[');
  EXPECT_THAT(hear("data: " + deep + "\n\n").error, HasSubstr("expected JSON"));
}

TEST(ChatStream, takes_whole_answers_and_refuses_other_pages) {
  const Heard heard = hear(
      "{\"choices\": [{\"message\": {\"role\": \"assistant\", \"content\": "
      "\"whole\"}, \"finish_reason\": \"stop\"}],\n\n\"usage\": "
      "{\"completion_tokens\": 3}}",
      "application/json");
  EXPECT_EQ(heard.error, "");
  EXPECT_EQ(heard.text, "whole");
  EXPECT_EQ(heard.tokens, 3);
  EXPECT_THAT(hear("<html>hello</html>", "text/html").error,
              HasSubstr("found text/html: <html>hello"));
  EXPECT_THAT(hear("", "").error, HasSubstr("found no content type"));
  EXPECT_THAT(hear("{\"a\": 1}", "application/json").error, HasSubstr("expected an OpenAI"));
  EXPECT_THAT(hear("{\"error\": \"busy\"}", "application/json").error, HasSubstr("busy"));
  // Values of other types than the API's are passed over.
  EXPECT_EQ(hear("data: {\"choices\": [{\"delta\": {\"content\": 3}}, 4], \"usage\": []}\n\n"
                 "data: {\"choices\": [7]}\n\ndata: {\"choices\": 7}\n\ndata: 7\n\n"
                 "data: [DONE]\n\n")
                .error,
            "");
}

}  // namespace remote_chat_test
}  // namespace ingot
