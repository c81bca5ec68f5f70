// HTTP scripts: requests in, what must be true of the answers, as text (tests/server/http/*.txt).
//
//   POST /v1/completions          a request; the lines below are headers ("name: value"), then a
//   authorization: Bearer one     body that starts with '{'
//   {"prompt": "a"}
//   > 200                         the answer's status
//   > header name = value         one of its headers
//   > has TEXT / lacks TEXT       its body
//   > /usage/prompt_tokens = 1    a JSON pointer into its body, and the value there
//   > /choices/0/text is string   the kind of value there (string, number, array, object, null)
//   > events 4                    of an event stream, [DONE] not counted
//   > event -1 /choices = []      a pointer into one of them, counted from the end if negative
//   > done                        [DONE] is the last
//
// Each request has a connection of its own to one server: with the keys "one" and "two" where the
// script's first line is "keys", of the parrot (parrot_model.h) where it is "parrot", of one whose
// chat template knows no tools where it is "plain parrot", of a model that gives embeddings
// (embedding_server.h) where it is "embedder".
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/server/embedding_server.h"
#include "tests/server/oracle_server.h"
#include "tests/server/parrot_model.h"

namespace ingot {
namespace {

std::vector<Json> events_of(const std::string& body, bool& done) {
  std::vector<Json> out;
  done = false;
  std::stringstream lines(body);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("data: ")) continue;
    EXPECT_FALSE(done) << "an event behind [DONE]";
    done = line == "data: [DONE]";
    if (!done) out.push_back(Json::parse(line.substr(6)));
  }
  return out;
}

class HttpScript {
 public:
  HttpScript(int port, std::string file) : port_(port), file_(std::move(file)) {}

  void line(const std::string& text) {
    if (text.empty() || text[0] == '#') return;
    if (text[0] == '>') {
      if (!answered_) ask();
      expect(text.substr(2));
    } else if (text.starts_with("GET ") || text.starts_with("POST ") || text.starts_with("HEAD ") ||
               text.starts_with("OPTIONS ") || text.starts_with("DELETE ")) {
      finish();
      method_ = text.substr(0, text.find(' '));
      path_ = text.substr(method_.size() + 1);
      headers_.clear();
      body_.clear();
      answered_ = false;
    } else if (text[0] == '{' || !body_.empty()) {
      body_ += text;
    } else {
      headers_ += text + "\r\n";
    }
  }

  // Once there are no more lines, too: a request without '>' would be checked by nothing.
  void finish() const {
    EXPECT_TRUE(method_.empty() || answered_) << file_ << ": " << method_ << " " << path_
                                              << ": expected lines '> …' below it, found none";
  }

 private:
  void ask() {
    HttpClient client(port_);
    answer_ = client.call(method_, path_, body_, headers_);
    answered_ = true;
    events_ = events_of(answer_.body(), done_);
  }

  void expect(const std::string& what) {
    SCOPED_TRACE(file_ + ": " + method_ + " " + path_ + " " + body_ + "\n> " + what +
                 "\nanswer: " + answer_.body().substr(0, 2000));
    std::stringstream words(what);
    std::string first, rest;
    words >> first;
    std::getline(words >> std::ws, rest);
    if (std::isdigit(static_cast<unsigned char>(first[0])) != 0) {
      EXPECT_EQ(std::to_string(answer_.result_int()), first);
    } else if (first == "header") {
      const size_t equals = rest.find(" = ");
      EXPECT_EQ(std::string(answer_[rest.substr(0, equals)]), rest.substr(equals + 3));
    } else if (first == "has" || first == "lacks") {
      EXPECT_EQ(answer_.body().find(rest) != std::string::npos, first == "has");
    } else if (first == "events") {
      EXPECT_EQ(std::to_string(events_.size()), rest);
    } else if (first == "done") {
      EXPECT_TRUE(done_);
    } else if (first == "event") {
      const size_t space = rest.find(' ');
      const int index = std::stoi(rest.substr(0, space));
      const int count = static_cast<int>(events_.size());
      const int place = index < 0 ? count + index : index;
      ASSERT_TRUE(place >= 0 && place < count);
      value(events_[static_cast<size_t>(place)], rest.substr(space + 1));
    } else {
      value(Json::parse(answer_.body(), nullptr, false), what);
    }
  }

  static void value(const Json& json, const std::string& what) {
    ASSERT_FALSE(json.is_discarded()) << "the body is not JSON";
    const size_t space = what.find(' ');
    const Json::json_pointer pointer(what.substr(0, space));
    ASSERT_TRUE(json.contains(pointer)) << "nothing there";
    const Json& found = json.at(pointer);
    if (what.substr(space + 1).starts_with("is ")) {
      EXPECT_EQ(found.type_name(), what.substr(space + 4));
    } else {
      EXPECT_EQ(found, Json::parse(what.substr(space + 3))) << found.dump();
    }
  }

  const int port_;
  const std::string file_;
  std::string method_, path_, headers_, body_;
  HttpAnswer answer_;
  std::vector<Json> events_;
  bool done_ = false;
  bool answered_ = true;
};

std::vector<std::string> scripts() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(INGOT_TEST_DATA "/../server/http")) {
    out.push_back(entry.path().stem());
  }
  std::sort(out.begin(), out.end());
  return out;
}

class HttpScripts : public testing::TestWithParam<std::string> {};

TEST_P(HttpScripts, Agree) {
  const std::string file = INGOT_TEST_DATA "/../server/http/" + GetParam() + ".txt";
  std::ifstream in(file);
  std::string line;
  ASSERT_TRUE(std::getline(in, line)) << file;
  OracleServerOptions options;
  if (line == "keys") options.server.api_keys = {"one", "two"};
  std::optional<OracleServer> oracle;
  std::optional<ModelServer<ParrotModel>> parrot;
  std::optional<EmbeddingServer> embedder;
  int port = 0;
  if (line == "plain parrot") options.chat_template = kPlainTemplate;
  if (line.ends_with("parrot")) {
    port = parrot.emplace(options).port();
  } else if (line == "embedder") {
    port = embedder.emplace().port();
  } else {
    port = oracle.emplace(options).port();
  }
  HttpScript script(port, GetParam());
  script.line(line == "keys" || parrot || embedder ? "" : line);
  while (std::getline(in, line)) script.line(line);
  script.finish();
}

INSTANTIATE_TEST_SUITE_P(, HttpScripts, testing::ValuesIn(scripts()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace ingot
