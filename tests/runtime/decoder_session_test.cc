#include "runtime/decoder_session.h"

#include "tensor/device.h"
#include "tests/loaders/test_files.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace {

std::vector<int32_t> session_ids(int count) {
  std::vector<int32_t> out;
  for (int i = 0; i < count; ++i) {
    out.push_back(static_cast<int32_t>((i * 37 + 5) % kTinyVocab));
  }
  return out;
}

TEST(DecoderSessionTest, ChunksAndTruncationGiveTheSame) {
  const auto device = make_cpu_device(1);
  const auto engine = tiny_engine();
  ExecutorOptions options;
  options.selection.reference = true;
  const std::vector<int32_t> ids = session_ids(40);
  DecoderSession whole(engine, *device, 64, 64, options);
  EXPECT_EQ(whole.vocab_size(), kTinyVocab);
  const auto expected = whole.forward(ids, false);
  EXPECT_EQ(expected.size(), static_cast<size_t>(kTinyVocab));
  DecoderSession chunked(engine, *device, 64, 7, options);
  EXPECT_EQ(chunked.forward(ids, false), expected);
  EXPECT_EQ(chunked.position(), 40);
  chunked.truncate(33);
  EXPECT_EQ(chunked.forward(std::span(ids).subspan(33), false), expected);
  // The last row of all rows is the last token's.
  whole.reset();
  const auto all = whole.forward(ids, true);
  ASSERT_EQ(all.size(), ids.size() * static_cast<size_t>(kTinyVocab));
  EXPECT_EQ(std::vector<float>(all.end() - kTinyVocab, all.end()), expected);
}

// One sequence, the same pages in each of its tables.
TEST(DecoderSessionTest, SeveralTablesGiveTheLogitsOfOne) {
  const auto device = make_cpu_device(1);
  TinyLayer full, recent;
  full.group = "full";
  recent.group = "recent";
  recent.window = 20;
  const auto logits = [&] {
    DecoderSession session(tiny_engine({full, recent}), *device, 64, 64);
    return session.forward(session_ids(60), true);
  };
  const auto expected = logits();
  recent.kind = "windowed";
  recent.group_window = 20;
  recent.table = "block_tables.recent";
  recent.pages = "kv_pages.recent";
  EXPECT_EQ(logits(), expected);
  recent.window = recent.group_window = 30;
  EXPECT_NE(logits(), expected);
}

TEST(DecoderSessionTest, RefusesWhatItCannotHold) {
  const auto device = make_cpu_device(1);
  DecoderSession session(tiny_engine(), *device, 64, 7);
  session.forward(session_ids(40), false);
  expect_error([&] { session.forward(session_ids(40), false); }, ErrorCode::kInvalidArgument,
               {"40 tokens after 40", "holds 64"});
  const std::vector<int32_t> wrong = {kTinyVocab};
  expect_error([&] { session.forward(wrong, false); }, ErrorCode::kInvalidArgument,
               {"97", "0 to 96"});
}

}  // namespace
}  // namespace ingot
