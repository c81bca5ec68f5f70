#include "server/request_head.h"

#include <gtest/gtest.h>

#include "server/api_error.h"

namespace ingot {
namespace {

int status_of(const std::string& text) {
  try {
    parse_request_head(text, 8);
  } catch (const ApiError& error) {
    return error.status;
  }
  return 200;
}

// A head of one request line and these lines, each ended by CRLF.
std::string head_of(const std::string& line, const std::vector<std::string>& headers) {
  std::string out = line + "\r\n";
  for (const std::string& header : headers) out += header + "\r\n";
  return out + "\r\n";
}

std::string post(const std::vector<std::string>& more) {
  std::vector<std::string> headers = {"Host: a"};
  headers.insert(headers.end(), more.begin(), more.end());
  return head_of("POST /v1/models HTTP/1.1", headers);
}

TEST(RequestHead, Parts) {
  const RequestHead head = parse_request_head(
      head_of("GET /a/b?c=d HTTP/1.1", {"Host: x", "X-Thing:  some value \t", "X-Thing: two"}), 8);
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.path, "/a/b");
  EXPECT_EQ(head.query, "c=d");
  EXPECT_EQ(head.header("x-thing"), "some value");
  EXPECT_EQ(head.header("x-other"), "");
  EXPECT_EQ(head.content_length, -1);
  EXPECT_FALSE(head.chunked);
  EXPECT_TRUE(head.keep_alive());
}

TEST(RequestHead, TargetsOfProxies) {
  const auto path = [](const std::string& target) {
    return parse_request_head(head_of("GET " + target + " HTTP/1.1", {"Host: x"}), 8).path;
  };
  EXPECT_EQ(path("http://host:80/a?b"), "/a");
  EXPECT_EQ(path("http://host"), "/");
  EXPECT_EQ(path("//a"), "//a");
  EXPECT_EQ(path("/%61"), "/%61");
}

TEST(RequestHead, KeepAlive) {
  const auto keeps = [](const std::string& version, const std::string& wish) {
    return parse_request_head(head_of("GET / " + version, {"Host: x", "Connection: " + wish}), 8)
        .keep_alive();
  };
  EXPECT_FALSE(keeps("HTTP/1.1", "close"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Close"));
  EXPECT_TRUE(keeps("HTTP/1.1", "keep-alive"));
  EXPECT_TRUE(keeps("HTTP/1.0", "keep-alive"));
  EXPECT_FALSE(keeps("HTTP/1.0", "x"));
}

TEST(RequestHead, Framing) {
  EXPECT_EQ(parse_request_head(post({"Content-Length: 12"}), 8).content_length, 12);
  EXPECT_TRUE(parse_request_head(post({"Transfer-Encoding: Chunked"}), 8).chunked);
  for (const char* length : {"-2", "+5", "0x5", "5 5", "", "1e3", "99999999999999999999", "5,5"}) {
    EXPECT_EQ(status_of(post({std::string("Content-Length: ") + length})), 400) << length;
  }
  EXPECT_EQ(status_of(post({"Content-Length: 5", "Content-Length: 5"})), 400);
  EXPECT_EQ(status_of(post({"Content-Length: 5", "Transfer-Encoding: chunked"})), 400);
  EXPECT_EQ(status_of(post({"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"})), 400);
  for (const char* coding : {"gzip", "chunked, chunked", "identity", "xchunked", "gzip, chunked"}) {
    EXPECT_EQ(status_of(post({std::string("Transfer-Encoding: ") + coding})), 501) << coding;
  }
  EXPECT_EQ(status_of(head_of("POST / HTTP/1.0", {"Transfer-Encoding: chunked"})), 400);
}

TEST(RequestHead, Hosts) {
  EXPECT_EQ(status_of(head_of("GET / HTTP/1.1", {})), 400);
  EXPECT_EQ(status_of(head_of("GET / HTTP/1.1", {"Host: a", "Host: a"})), 400);
  EXPECT_EQ(status_of(head_of("GET / HTTP/1.0", {})), 200);
}

TEST(RequestHead, MalformedLines) {
  for (const char* line : {"GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", "G(T / HTTP/1.1",
                           "GET a HTTP/1.1", "GET /#a HTTP/1.1", "GET / HTTP/1.10",
                           "GET / http/1.1", " GET / HTTP/1.1", "GET /\tHTTP/1.1"}) {
    EXPECT_EQ(status_of(head_of(line, {"Host: a"})), 400) << line;
  }
  EXPECT_EQ(status_of(head_of("GET / HTTP/2.0", {"Host: a"})), 505);
  for (const char* header : {"No colon", "Space : a", " Folded: a", "\tFolded: a", ": a",
                             "a\x01: b", "a: \x7f", "a\nb: c"}) {
    EXPECT_EQ(status_of(post({header})), 400) << header;
  }
  EXPECT_EQ(status_of(post({std::string("a: \0", 4)})), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: a\n\n"), 400);
}

TEST(RequestHead, Tokens) {
  for (const char* token : {"a", "X-1", "!#$%&'*+-.^_`|~"}) EXPECT_TRUE(is_token(token)) << token;
  for (const char* text : {"", "a b", "a,b", "a:", "\"a\"", "\xc3\xa9", "a\r"}) {
    EXPECT_FALSE(is_token(text)) << text;
  }
  EXPECT_EQ(trimmed(" \ta b\t "), "a b");
  EXPECT_EQ(trimmed(" \t"), "");
}

TEST(RequestHead, ManyHeaders) {
  EXPECT_EQ(status_of(post(std::vector<std::string>(7, "a: b"))), 200);
  EXPECT_EQ(status_of(post(std::vector<std::string>(8, "a: b"))), 431);
}

}  // namespace
}  // namespace ingot
