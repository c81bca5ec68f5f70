// Probe: a linear layer on a block format that Ingot does not know. The weight stays encoded
// through compile, save_engine and load_engine, and the result is decode + matmul.
#include "tensor/block_format.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/random.h"
#include "compiler/compile.h"
#include "engine/executor.h"

namespace ingot {
namespace {

// 16 elements in 8 bytes: a float32 scale d and 16 two-bit codes q; x = d * (q - 1.5).
constexpr int kElements = 16, kBytes = 8;

void decode(const std::byte* src, int64_t blocks, float* dst) {
  for (int64_t b = 0; b < blocks; ++b, src += kBytes) {
    float d;
    uint32_t codes;
    std::memcpy(&d, src, sizeof d);
    std::memcpy(&codes, src + sizeof d, sizeof codes);
    for (int i = 0; i < kElements; ++i) {
      *dst++ = d * (static_cast<float>(codes >> (2 * i) & 3u) - 1.5f);
    }
  }
}

void encode(const float* src, int64_t blocks, std::byte* dst) {
  for (int64_t b = 0; b < blocks; ++b, src += kElements, dst += kBytes) {
    float peak = 0;
    for (int i = 0; i < kElements; ++i) peak = std::max(peak, std::fabs(src[i]));
    const float d = peak / 1.5f;
    uint32_t codes = 0;
    for (int i = 0; i < kElements; ++i) {
      const float q = d > 0 ? std::round(src[i] / d + 1.5f) : 1.0f;
      codes |= static_cast<uint32_t>(std::clamp(q, 0.0f, 3.0f)) << (2 * i);
    }
    std::memcpy(dst, &d, sizeof d);
    std::memcpy(dst + sizeof d, &codes, sizeof codes);
  }
}

const BlockFormat& probe_format() {
  static const BlockFormat format = {"probe_t2", kElements, kBytes, std::nullopt, decode, encode};
  return format;
}

constexpr int64_t kK = 512, kN = 96, kTokens = 7;

std::vector<float> values(int64_t count, uint64_t seed) {
  std::vector<float> out;
  for (uint64_t i = 0; i < static_cast<uint64_t>(count); ++i) {
    out.push_back(static_cast<float>(2 * random_unit(seed, i) - 1));
  }
  return out;
}

std::vector<float> run(std::shared_ptr<const Engine> engine, std::vector<float> x, bool reference) {
  const auto device = make_cpu_device(2);
  Executor executor(std::move(engine), *device, {.selection = {.reference = reference}});
  executor.set_input("x", {DType::kFloat32, {kTokens, kK}, reinterpret_cast<std::byte*>(x.data())});
  executor.run();
  std::vector<float> out(kTokens * kN);
  for (int64_t t = 0; t < kTokens; ++t) {
    load_row(executor.output("y"), t, 0, kN, out.data() + t * kN);
  }
  return out;
}

TEST(BlockFormat, StaysEncodedFromGraphToKernel) {
  register_block_format(probe_format());
  register_block_format(probe_format());  // twice is harmless
  EXPECT_EQ(parse_element_type("probe_t2"), ElementType(probe_format()));

  std::vector<std::byte> encoded(kN * kK / kElements * kBytes);
  encode(values(kN * kK, 1).data(), kN * kK / kElements, encoded.data());
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {Dim::symbol("tokens"), kK}});
  const int w = graph.add_constant(ElementType(probe_format()), {kN, kK}, encoded);
  const int y = graph.emit("linear", {}, {x, w});
  graph.add_output(y);
  graph.rename(y, "y");
  graph.limits()["tokens"] = kTokens;
  const auto built = compile(graph, {.passes = {.verify = true}});

  const std::string path =
      fmt::format("{}/probe_block_{}.engine", testing::TempDir(), static_cast<int>(::getpid()));
  save_engine(*built, path);
  const auto loaded = load_engine(path);
  // Encoded bytes are all there is: 2/3 KB a row, not 2 KB of float32.
  EXPECT_EQ(loaded->container->section("weights").size(), encoded.size());
  EXPECT_LT(std::filesystem::file_size(path), encoded.size() + 16384);
  ASSERT_EQ(loaded->tensors.size(), 1u);
  EXPECT_EQ(loaded->plan.tensors[0].type, ElementType(probe_format()));
  EXPECT_TRUE(std::equal(encoded.begin(), encoded.end(), loaded->tensors[0].begin()));

  std::vector<float> weight(kN * kK);
  decode(encoded.data(), kN * kK / kElements, weight.data());
  const std::vector<float> input = values(kTokens * kK, 2);
  const std::vector<float> fast = run(loaded, input, false);
  const std::vector<float> reference = run(loaded, input, true);
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t n = 0; n < kN; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < kK; ++k) {
        sum += double{input[static_cast<size_t>(t * kK + k)]} *
               double{weight[static_cast<size_t>(n * kK + k)]};
      }
      EXPECT_NEAR(fast[static_cast<size_t>(t * kN + n)], sum, 1e-3);
      EXPECT_NEAR(reference[static_cast<size_t>(t * kN + n)], sum, 1e-3);
    }
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace ingot
