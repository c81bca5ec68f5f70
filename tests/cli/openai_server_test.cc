#include "cli/contract/openai_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace openai_server_test {

using testing::HasSubstr;

TEST(OpenaiServer, urls_may_end_in_v1) {
  for (const char* text :
       {"http://a:8000", "http://a:8000/", "http://a:8000/v1", "http://a:8000/v1/"}) {
    EXPECT_EQ(url_text(server_url(text)), "http://a:8000") << text;
  }
  EXPECT_EQ(url_text(server_url("https://a.example/api/v1")), "https://a.example/api");
  EXPECT_THROW(server_url("a:8000"), Error);
}

TEST(OpenaiServer, error_messages_of_all_kinds_of_servers) {
  EXPECT_EQ(error_message(R"({"error": {"message": "no", "code": 1}})"), "no");
  EXPECT_EQ(error_message(R"({"error" : "no"})"), "no");
  EXPECT_EQ(error_message(R"({"object": "error", "message": "no"})"), "no");
  EXPECT_EQ(error_message(R"({"detail": "Not Found"})"), "Not Found");
  EXPECT_EQ(error_message(R"({"error": {"message": 3}})"), R"({"error": {"message": 3}})");
  EXPECT_EQ(error_message("<html>\n\x1b[31mno"), R"(<html> \x1b[31mno)");
  EXPECT_EQ(error_message(std::string(1000, 'x')).size(), 200u);
  EXPECT_EQ(error_message(""), "");
}

std::string failure(const ClientAnswer& answer, const std::string& key = "") {
  ClientOptions options;
  options.api_key = key;
  const HttpTarget target(server_url("http://127.0.0.1:9/v1"), options);
  try {
    fail_call(target, "/v1/x", answer, "cli/chat");
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(OpenaiServer, failures_say_what_helps) {
  const auto status = [](int code, std::vector<std::pair<std::string, std::string>> headers,
                         std::string body) {
    ClientAnswer out;
    out.status = code;
    out.headers = std::move(headers);
    out.body = std::move(body);
    return out;
  };
  ClientAnswer refused;
  refused.fault = ClientFault::kRefused;
  EXPECT_THAT(failure(refused), HasSubstr("http://127.0.0.1:9/v1/x: connection refused"));
  EXPECT_THAT(failure(status(401, {}, R"({"error": {"message": "who?"}})")),
              HasSubstr("401: who?; give a key by --api-key"));
  EXPECT_THAT(failure(status(401, {}, "{}"), "key"), HasSubstr("is not taken"));
  EXPECT_THAT(failure(status(429, {{"Retry-After", "7"}}, "{}")), HasSubstr("try again in 7 s"));
  EXPECT_THAT(failure(status(404, {}, "<html>")), HasSubstr("expected the address of an OpenAI"));
  EXPECT_THAT(failure(status(301, {{"Location", "https://b"}}, "")),
              HasSubstr("moved to https://b"));
}

}  // namespace openai_server_test
}  // namespace ingot
