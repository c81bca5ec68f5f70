// Chunks of several servers, spaced and not.
#include "cli/contract/chunk_scan.h"

#include <gtest/gtest.h>

#include <string>

namespace ingot {
namespace chunk_scan_test {

// "text finished usage error", those that hold.
std::string scanned(std::string_view data) {
  const ChunkScan scan = scan_chunk(data);
  std::string out;
  if (scan.text) out += " text";
  if (scan.finished) out += " finished";
  if (scan.usage) out += " usage";
  if (scan.error) out += " error";
  return out;
}

TEST(ChunkScan, PartsOfAnAnswer) {
  EXPECT_EQ(
      scanned(R"({"choices":[{"delta":{"content":"Hi"},"finish_reason":null}],"usage":null})"),
      " text");
  EXPECT_EQ(scanned(R"({"choices": [{"delta": {"content": "Hi"}, "finish_reason": null}]})"),
            " text");
  EXPECT_EQ(scanned(R"({"choices":[{"index":0,"text":"a","logprobs":null}]})"), " text");
  EXPECT_EQ(scanned(R"({"choices":[{"text":"","finish_reason":null}]})"), " text")
      << "a token without a text of its own";
  EXPECT_EQ(scanned(R"({"choices":[{"text":"a","finish_reason":"stop"}]})"), " text finished");
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{"reasoning_content":"a"}}]})"), " text");
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{"reasoning" : "a"}}]})"), "")
      << "nobody writes a blank there";
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{"reasoning": "a"}}]})"), " text");
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{"}}]}}]})"),
            " text");
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{"content":"\""}}]})"), " text");
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{},"token_ids": [ 7]}]})"), " text");
  EXPECT_EQ(scanned(R"({"choices":[{"text":"","finish_reason":"length","token_ids":[1]}]})"),
            " text finished");
}

TEST(ChunkScan, NoPartOfAnAnswer) {
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{"role":"assistant","content":""}}]})"), "");
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{"content":null}}]})"), "");
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{},"finish_reason":"length"}]})"), " finished");
  EXPECT_EQ(scanned(R"({"choices":[],"usage":{"prompt_tokens":1}})"), " usage");
  EXPECT_EQ(scanned(R"({"choices":[{"text":"","finish_reason":"stop"}]})"), " finished");
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{},"token_ids":[ ],"prompt_token_ids":[1]}]})"), "");
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{},"token_ids":null}]})"), "");
  EXPECT_EQ(scanned(R"({"error":{"message":"no"}})"), " error");
  EXPECT_EQ(scanned(R"({"error": "no"})"), " error");
  EXPECT_EQ(scanned(R"({"error":null,"choices":[]})"), "");
  for (const char* cut : {"", "{", R"({"content":)", R"({"content":")", R"({"usage":  )"}) {
    EXPECT_EQ(scanned(cut), "") << cut;
  }
}

TEST(ChunkScan, WhatAStringHoldsIsNoKey) {
  EXPECT_EQ(scanned(R"({"choices":[{"delta":{"content":""},"x":"\"content\":\"a\""}]})"), "");
  EXPECT_EQ(
      scanned(R"({"choices":[{"text":"{\"error\":{},\"usage\":{},\"finish_reason\":\"a\"}"}]})"),
      " text");
}

}  // namespace chunk_scan_test
}  // namespace ingot
