// Probe: weights streamed from disk under a memory limit. After a run the pages of the weights
// section that this process holds stay below the limit, no more is dropped than needed, and the
// results are the same bits.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/random.h"
#include "compiler/compile.h"
#include "engine/executor.h"

namespace ingot {
namespace {

constexpr int64_t kWidth = 512, kLayers = 12, kTokens = 2;
constexpr int64_t kLayerBytes = kWidth * kWidth * 4;  // 1 MiB
constexpr int64_t kLimit = 4 * kLayerBytes + kLayerBytes / 2;

std::vector<float> values(int64_t count, uint64_t seed) {
  std::vector<float> out;
  for (uint64_t i = 0; i < static_cast<uint64_t>(count); ++i) {
    out.push_back(static_cast<float>(random_unit(seed, i) - 0.5) * 0.1f);
  }
  return out;
}

std::string write_engine() {
  Graph graph;
  int x = graph.add_input("x", {DType::kFloat32, {Dim::symbol("tokens"), kWidth}});
  for (uint64_t layer = 0; layer < kLayers; ++layer) {
    const std::vector<float> weight = values(kWidth * kWidth, layer);
    const int w =
        graph.add_constant(DType::kFloat32, {kWidth, kWidth}, std::as_bytes(std::span(weight)));
    x = graph.emit("linear", {}, {x, w});
  }
  graph.add_output(x);
  graph.rename(x, "y");
  graph.limits()["tokens"] = kTokens;
  const std::string path =
      fmt::format("{}/probe_stream_{}.engine", testing::TempDir(), static_cast<int>(::getpid()));
  save_engine(*compile(graph, {}), path);
  return path;
}

// Bytes of the range that are mapped in this process: bit 63 of each page's entry in pagemap.
// (mincore() would also count what only the system's page cache holds.)
int64_t resident_bytes(std::span<const std::byte> range) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<uintptr_t>(range.data()) / page;
  const auto last = (reinterpret_cast<uintptr_t>(range.data()) + range.size() + page - 1) / page;
  std::vector<uint64_t> entries(last - first);
  const int fd = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  EXPECT_GE(fd, 0);
  const auto bytes = static_cast<ssize_t>(entries.size() * sizeof(uint64_t));
  EXPECT_EQ(::pread(fd, entries.data(), static_cast<size_t>(bytes),
                    static_cast<off_t>(first * sizeof(uint64_t))),
            bytes);
  ::close(fd);
  int64_t present = 0;
  for (uint64_t entry : entries) present += static_cast<int64_t>(entry >> 63);
  return present * static_cast<int64_t>(page);
}

struct Outcome {
  std::vector<float> y;
  int64_t resident = 0;
  int64_t owned = 0;
};

Outcome run(const std::string& path, int64_t limit) {
  const auto engine = load_engine(path);
  const auto device = make_cpu_device(2);
  // One kernel for both, so that the bits can be compared.
  Executor executor(engine, *device,
                    {.selection = {.canonical = true}, .weight_memory_limit = limit});
  std::vector<float> x = values(kTokens * kWidth, 99);
  executor.set_input("x",
                     {DType::kFloat32, {kTokens, kWidth}, reinterpret_cast<std::byte*>(x.data())});
  Outcome out;
  for (int repeat = 0; repeat < 3; ++repeat) {
    executor.run();
    out.resident = resident_bytes(engine->container->section("weights"));
    if (limit > 0) {
      EXPECT_LE(out.resident, limit) << "run " << repeat;
    }
  }
  const auto* y = executor.output("y").as<float>();
  out.y.assign(y, y + kTokens * kWidth);
  out.owned = executor.memory().owned_weights;
  return out;
}

TEST(StreamedWeight, StaysBelowTheLimit) {
  const std::string path = write_engine();
  const Outcome free = run(path, 0);
  EXPECT_GE(free.resident, kLayers * kLayerBytes);  // the measure sees all when nothing is dropped

  const Outcome limited = run(path, kLimit);
  EXPECT_EQ(limited.y, free.y);
  EXPECT_EQ(limited.owned, 0);  // nothing was packed aside, where the limit would not see it
  EXPECT_GE(limited.resident, 3 * kLayerBytes);  // the number is honoured, not just "drop all"

  const Outcome larger = run(path, 2 * kLimit);
  EXPECT_EQ(larger.y, free.y);
  EXPECT_GT(larger.resident, kLimit);

  const Outcome tight = run(path, kLayerBytes + kLayerBytes / 2);
  EXPECT_EQ(tight.y, free.y);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace ingot
