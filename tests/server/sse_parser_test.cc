// Event streams, whole and cut at every byte.
#include "server/sse_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace ingot {
namespace sse_parser_test {

using Events = std::vector<std::pair<std::string, std::string>>;  // type, data

Events parse(std::initializer_list<std::string_view> pieces, bool* at_boundary = nullptr) {
  Events out;
  SseParser parser;
  for (const std::string_view piece : pieces) {
    parser.feed(piece, [&](const SseEvent& event) { out.emplace_back(event.type, event.data); });
  }
  if (at_boundary) *at_boundary = parser.at_boundary();
  return out;
}

// Cut in two at each place, and into single bytes.
void expect_events(std::string_view stream, const Events& wanted) {
  EXPECT_EQ(parse({stream}), wanted) << stream;
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    EXPECT_EQ(parse({stream.substr(0, cut), stream.substr(cut)}), wanted)
        << stream << " cut at " << cut;
  }
  Events found;
  SseParser parser;
  for (const char byte : stream) {
    parser.feed({&byte, 1},
                [&](const SseEvent& event) { found.emplace_back(event.type, event.data); });
  }
  EXPECT_EQ(found, wanted) << stream << " byte by byte";
}

TEST(SseParser, EventsOfOpenAi) {
  expect_events("data: {\"a\":1}\n\ndata: {\"b\":\"x: y\"}\n\ndata: [DONE]\n\n",
                {{"", "{\"a\":1}"}, {"", "{\"b\":\"x: y\"}"}, {"", "[DONE]"}});
}

TEST(SseParser, EveryKindOfLineEnd) {
  for (const char* stream : {"data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n",
                             "data: a\r\rdata: b\r\r", "data: a\r\n\ndata: b\n\r\n"}) {
    expect_events(stream, {{"", "a"}, {"", "b"}});
  }
}

TEST(SseParser, LinesOfDataAreJoined) {
  expect_events("data: a\ndata:b\ndata:  c\ndata\ndata:\n\n", {{"", "a\nb\n c\n\n"}});
  expect_events("data:\n\n", {{"", ""}});
}

TEST(SseParser, CommentsAndOtherFieldsAreNoEvents) {
  expect_events(": ping\n\n:\n\nid: 1\nretry: 5\n\nfoo: bar\n\ndata: a\n: in between\n\n\n\n",
                {{"", "a"}});
  expect_events(" data: a\ndatas: b\nDATA: c\n\n", {});
}

TEST(SseParser, TypesHoldForOneEvent) {
  expect_events("event: error\ndata: a\n\ndata: b\n\nevent: none\n\ndata: c\n\n",
                {{"error", "a"}, {"", "b"}, {"", "c"}});
}

TEST(SseParser, AByteOrderMarkStandsAtTheStartAlone) {
  expect_events(
      "\xef\xbb\xbf"
      "data: a\n\n\xef\xbb\xbf"
      "data: b\n\n",
      {{"", "a"}});
}

TEST(SseParser, TheRestOfAnEventIsMissing) {
  bool at_boundary = false;
  EXPECT_THAT(parse({"data: a\n\ndata: b\n"}, &at_boundary), testing::SizeIs(1));
  EXPECT_FALSE(at_boundary);
  parse({"data: a\n\ndat"}, &at_boundary);
  EXPECT_FALSE(at_boundary);
  parse({"data: a\n\n: ping\n\n"}, &at_boundary);
  EXPECT_TRUE(at_boundary);
}

TEST(SseParser, AnEventHasABound) {
  const auto events_of = [](size_t data) {
    SseParser parser(100);
    int events = 0;
    for (int i = 0; i < 3; ++i) {
      parser.feed("data: " + std::string(data, 'x'), [](const SseEvent&) {});
      parser.feed("\n\n", [&](const SseEvent&) { ++events; });
    }
    return events;
  };
  EXPECT_EQ(events_of(94), 3) << "the bound is of each event";
  EXPECT_THROW(events_of(95), Error);
  SseParser lines(100);
  EXPECT_THROW(
      {
        for (int i = 0; i < 60; ++i) lines.feed("data: x\n", [](const SseEvent&) {});
      },
      Error);
}

}  // namespace sse_parser_test
}  // namespace ingot
