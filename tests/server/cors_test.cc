#include "server/cors.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(Cors, HeadersThatAreAskedForAreAllowed) {
  EXPECT_EQ(allowed_headers("x-stainless-os"), "x-stainless-os");
  EXPECT_EQ(allowed_headers("authorization,content-type,x-stainless-arch"),
            "authorization, content-type, x-stainless-arch");
  EXPECT_EQ(allowed_headers(" a ,\tX-B_c.1!#$%&'*+^`|~ "), "a, X-B_c.1!#$%&'*+^`|~");
}

TEST(Cors, WhatIsNoListOfTokensIsNotEchoed) {
  const std::string own = "Authorization, Content-Type, x-api-key";
  for (const char* asked : {"", " ", ",", "a,", ",a", "a,,b", "a b", "a;b", "a: b", "\"a\"",
                            "a,b c", "a\r\nb", "caf\xc3\xa9", "(a)", "a/b", "a=1"}) {
    EXPECT_EQ(allowed_headers(asked), own) << asked;
  }
}

}  // namespace
}  // namespace ingot
