#include "server/host_check.h"

#include <gtest/gtest.h>

namespace ingot {
namespace host_check_test {

TEST(HostCheck, names_of_this_machine) {
  for (const char* host :
       {"localhost", "localhost:8000", "LocalHost:1", "localhost.", "a.localhost:80", "127.0.0.1",
        "127.0.0.1:65535", "127.1.2.3:8000", "[::1]", "[::1]:8000", "localhost:"}) {
    EXPECT_TRUE(is_known_host(host, {})) << host;
  }
}

TEST(HostCheck, origins) {
  for (const char* origin :
       {"https://page.example", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080",
        "chrome-extension://abcdef", "http://a_b.x:1", "null"}) {
    EXPECT_TRUE(is_origin(origin)) << origin;
  }
  for (const char* origin :
       {"", "*", "x y", "page.example", "https://", "://page", "https://page.example/",
        "https://page.example/a", "https://a,https://b", "https://a:", "https://a:x",
        "https://a:123456", "https://[::1", "https://Page.example", "https://u@page.example",
        "https://*.page.example", "https://a b"}) {
    EXPECT_FALSE(is_origin(origin)) << origin;
  }
}

TEST(HostCheck, other_names) {
  for (const char* host : {"",
                           " ",
                           "evil.example",
                           "evil.example:8000",
                           "127.0.0.1.evil.example",
                           "localhost.evil.x",
                           "evil-localhost",
                           ".localhost",
                           "127.evil.example",
                           "0.0.0.0:8000",
                           "[::]",
                           "[::1",
                           "::1]",
                           "[::1]evil",
                           "[::1]:x",
                           "localhost:80@evil",
                           "localhost/evil",
                           "localhost:8000:9",
                           "10.0.0.1",
                           "2130706433",
                           "0x7f000001",
                           "localhost..",
                           "*"}) {
    EXPECT_FALSE(is_known_host(host, {})) << host;
  }
}

TEST(HostCheck, allowed_names) {
  const std::vector<std::string> allowed = {"my-box", "Other.Example:8443", "fe80::1"};
  for (const char* host :
       {"my-box", "MY-BOX:8000", "my-box.", "other.example:8443", "localhost", "[fe80::1]:1"}) {
    EXPECT_TRUE(is_known_host(host, allowed)) << host;
  }
  for (const char* host : {"my-box.evil", "other.example", "other.example:1", "x"}) {
    EXPECT_FALSE(is_known_host(host, allowed)) << host;
  }
  EXPECT_TRUE(is_known_host("anything", {"*"}));
  EXPECT_TRUE(is_known_host("", {"*"}));
}

}  // namespace host_check_test
}  // namespace ingot
