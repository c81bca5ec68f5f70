#include "engine/container.h"

#include "base/json.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "tests/engine/small_engine.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

size_t files_in(const ScratchDirectory& dir) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()));
}

TEST(ContainerTest, SectionsReadBack) {
  ScratchDirectory dir;
  ContainerWriter writer(dir / "c", 3);
  writer.add("first", "text");
  writer.begin("pieces");
  writer.append(as_bytes("ab"));
  writer.append(as_bytes("c"));
  writer.end();
  writer.add("empty", "");
  EXPECT_EQ(files_in(dir), 1u) << "only the temporary file";
  EXPECT_FALSE(fs::exists(dir / "c"));
  writer.commit();
  EXPECT_EQ(files_in(dir), 1u);
  const auto read = Container::open(dir / "c");
  EXPECT_EQ(read->text("first"), "text");
  EXPECT_EQ(read->text("pieces"), "abc");
  EXPECT_EQ(read->text("empty"), "");
  EXPECT_TRUE(read->has("empty"));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(read->section("pieces").data()) % 4096, 0u);
  EXPECT_TRUE(looks_like_container(dir / "c"));
  expect_error([&] { read->section("other"); }, ErrorCode::kCorrupt, {dir / "c", "other"});
}

TEST(ContainerTest, OpeningTellsHowMuchIsRead) {
  ScratchDirectory dir;
  ContainerWriter writer(dir / "c", 1);
  writer.add("first", "text");
  writer.commit();
  { Progress other("other work", 1, "bytes"); }
  Container::open(dir / "c");
  const auto progress = newest_progress();
  ASSERT_TRUE(progress.has_value());
  EXPECT_EQ(progress->what, "reading engine");
  EXPECT_EQ(progress->done, static_cast<int64_t>(fs::file_size(dir / "c")));
  EXPECT_EQ(progress->share(), 1);
}

TEST(ContainerTest, NoHalfFileIsLeft) {
  ScratchDirectory dir;
  {
    ContainerWriter writer(dir / "c", 2);
    writer.add("first", "text");
  }
  EXPECT_EQ(files_in(dir), 0u);
  expect_error([&] { save_engine(*gated_engine(), dir / "no/such/folder/e"); }, ErrorCode::kIo,
               {"no/such/folder"});
  EXPECT_EQ(files_in(dir), 0u);
}

TEST(ContainerTest, EngineReadsBack) {
  ScratchDirectory dir;
  const auto engine = gated_engine();
  save_engine(*engine, dir / "e");
  const auto read = load_engine(dir / "e");
  EXPECT_EQ(plan_text(read->plan), plan_text(engine->plan));
  EXPECT_EQ(plan_to_json(read->plan), plan_to_json(engine->plan));
  EXPECT_EQ(read->extras, engine->extras);
  ASSERT_EQ(read->devices.size(), 1u);
  EXPECT_EQ(read->devices[0].device, "nowhere");
  EXPECT_EQ(read->devices[0].choices, engine->devices[0].choices);
  // Pieces of one weight lie side by side, so that they bind as one.
  EXPECT_EQ(read->tensors[0].data() + read->tensors[0].size(), read->tensors[1].data());
  auto device = make_cpu_device(1);
  EXPECT_EQ(run_gated(read, *device), run_gated(engine, *device));
}

// Every truncation and every flipped bit of a small engine, padding included, is refused with an
// error that names the file.
TEST(ContainerTest, WeightsLieInWholeElements) {
  ScratchDirectory dir;
  const auto engine = gated_engine();
  save_engine(*engine, dir / "e");
  Json plan = parse_json(Container::open(dir / "e")->text("plan"), "test", "plan");
  for (const int offset : {1, 2, 4}) {
    plan["tensor_offsets"][0] = offset;
    ContainerWriter writer(dir / "moved", 2);
    writer.add("plan", plan.dump());
    writer.add("weights", std::string(1024, '\0'));
    writer.commit();
    if (offset == 4) {
      EXPECT_EQ(load_engine(dir / "moved")->tensors.size(), engine->tensors.size());
    } else {
      expect_error([&] { load_engine(dir / "moved"); }, ErrorCode::kCorrupt,
                   {dir / "moved", "steps of 4 bytes", std::to_string(offset)});
    }
  }
}

TEST(ContainerTest, DamageIsRefused) {
  ScratchDirectory dir;
  const auto engine = gated_engine();
  save_engine(*engine, dir / "e");
  const std::string bytes = read_file(dir / "e");
  int refused = 0, accepted = 0;
  const std::string path = dir.write("damaged", bytes);
  auto try_file = [&] {
    try {
      load_engine(path);
      ++accepted;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("damaged"));
      ++refused;
    }
  };
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  auto put = [&](size_t at, char byte) {
    file.seekp(static_cast<std::streamoff>(at)).put(byte).flush();
  };
  for (size_t i = 0; i < bytes.size(); ++i) {
    // Padding is long and uniform: there every 64th byte stands for its neighbours.
    if (bytes[i] == 0 && i >= 64 && i % 64 != 0) continue;
    put(i, static_cast<char>(bytes[i] ^ (1 << (i % 8))));
    try_file();
    put(i, bytes[i]);
  }
  EXPECT_GT(refused, 1000);
  EXPECT_EQ(accepted, 0);
  try_file();
  EXPECT_EQ(accepted, 1) << "the repaired file is whole";
  file.close();
  fs::resize_file(path, bytes.size() + 1);
  try_file();
  for (size_t length = bytes.size(); length > 0; length -= std::min<size_t>(length, 61)) {
    fs::resize_file(path, length - 1);
    try_file();
  }
  EXPECT_EQ(accepted, 1) << "a file of another length was accepted";
}

// The seeds of tests/fuzz/engine_fuzz.cc, kept in step with the format: DEV_INGOT_UPDATE_GOLDEN=1
// writes them anew.
TEST(ContainerTest, FuzzSeedsLoad) {
  const std::string folder = std::string(INGOT_TEST_DATA) + "/../fuzz/corpus/engine";
  if (std::getenv("DEV_INGOT_UPDATE_GOLDEN")) {
    fs::create_directories(folder);
    save_engine(*gated_engine(), folder + "/gated.engine");
    std::ofstream(folder + "/gated.json") << plan_to_json(gated_engine()->plan).dump();
  }
  EXPECT_EQ(plan_text(load_engine(folder + "/gated.engine")->plan),
            plan_text(gated_engine()->plan));
  const Json json = parse_json(read_file(folder + "/gated.json"), "test", "gated.json");
  EXPECT_EQ(plan_to_json(plan_from_json(json)), plan_to_json(gated_engine()->plan));
}

TEST(ContainerTest, OtherFilesAreNamed) {
  ScratchDirectory dir;
  dir.write("text", std::string(100, 'x'));
  EXPECT_FALSE(looks_like_container(dir / "text"));
  expect_error([&] { Container::open(dir / "text"); }, ErrorCode::kCorrupt,
               {dir / "text", "not an engine"});
  dir.write("short", "INGOTENG");
  expect_error([&] { Container::open(dir / "short"); }, ErrorCode::kCorrupt, {dir / "short"});
  expect_error([&] { Container::open(dir / "absent"); }, ErrorCode::kNotFound, {dir / "absent"});
  std::string future(64, '\0');
  future.replace(0, 9, "INGOTENG\x07");
  dir.write("future", future);
  expect_error([&] { Container::open(dir / "future"); }, ErrorCode::kUnsupported,
               {dir / "future", "engine format 7", "expected 1"});
}

}  // namespace
}  // namespace ingot
