// What the CUDA kernels of few rows offer the tuner. No GPU is needed where they are built: nothing
// is launched.
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "kernels/kernel_def.h"
#include "kernels/reference.h"

namespace ingot {
namespace {

bool built() { return find_kernel("cuda", "linear_gemv") != nullptr; }

KernelDesc layer(std::string_view op, int64_t rows, int64_t n, DType x, DType w, int64_t k = 4096) {
  KernelDesc desc;
  desc.op = op;
  desc.inputs = {{.type = x, .shape = {rows, k}}, {.type = w, .shape = {n, k}, .constant = true}};
  desc.outputs = {{.type = x, .shape = {rows, op == "linear" ? n : n / 2}}};
  desc.capability = 90;
  return desc;
}

// Calls f(kernel, descriptor) for layers of all sizes that the choice without measurements tells
// apart, and all pairs of types.
template <class F>
void for_each_layer(F&& f) {
  for (const char* name : {"linear_gemv", "gated_linear_gemv"}) {
    const KernelDef* kernel = find_kernel("cuda", name);
    ASSERT_NE(kernel, nullptr) << name;
    for (const int64_t rows : {1, 2, 4, 8}) {
      for (const int64_t n : {2, 2046, 2048, 8192, 16384, 128256}) {
        for (const auto& [x, w] : {std::pair(DType::kFloat32, DType::kFloat32),
                                   std::pair(DType::kFloat32, DType::kFloat16),
                                   std::pair(DType::kBFloat16, DType::kBFloat16)}) {
          const KernelDesc desc = layer(kernel->op, rows, n, x, w);
          SCOPED_TRACE(std::string(name) + " " + desc.text());
          ASSERT_EQ(kernel->supports(desc), "");
          f(*kernel, desc);
        }
      }
    }
  }
}

TEST(cuda_gemv, prepares_all_that_it_offers) {
  if (!built()) GTEST_SKIP() << "built without CUDA";
  for_each_layer([](const KernelDef& kernel, const KernelDesc& desc) {
    const std::vector<std::string> tactics = kernel.tactics(desc);
    EXPECT_EQ(std::set<std::string>(tactics.begin(), tactics.end()).size(), tactics.size());
    for (const std::string& tactic : tactics) EXPECT_NO_THROW(kernel.prepare(desc, tactic));
    EXPECT_NO_THROW(kernel.prepare(desc, ""));
    EXPECT_THROW(kernel.prepare(desc, "out3_split1"), Error);
  });
}

// Groups of more weight rows are compiled for one row alone, of eight for 16-bit weights alone.
TEST(cuda_gemv, offers_what_is_compiled) {
  if (!built()) GTEST_SKIP() << "built without CUDA";
  for_each_layer([](const KernelDef& kernel, const KernelDesc& desc) {
    const bool one = desc.inputs[0].shape[0] == 1;
    const bool wide = desc.inputs[1].type == DType::kFloat32;
    std::set<std::string> groups;
    for (const std::string& tactic : kernel.tactics(desc)) groups.insert(tactic.substr(0, 4));
    const std::set<std::string> expected = !one   ? std::set<std::string>{"out2"}
                                           : wide ? std::set<std::string>{"out2", "out4"}
                                                  : std::set<std::string>{"out2", "out4", "out8"};
    EXPECT_EQ(groups, expected);
  });
}

// Eight warps that share a row of 576 elements would stand idle.
TEST(cuda_gemv, gives_a_short_k_to_fewer_warps) {
  if (!built()) GTEST_SKIP() << "built without CUDA";
  const auto first = [](int64_t k) {
    const KernelDef& kernel = *find_kernel("cuda", "linear_gemv");
    return kernel.tactics(layer("linear", 1, 4096, DType::kBFloat16, DType::kBFloat16, k))[0];
  };
  EXPECT_EQ(first(4096), "out8_split8");
  EXPECT_EQ(first(576), "out2_split4");
}

// Without measurements a streamed layer is the first choice for several rows and not for one.
TEST(cuda_gemv, goes_before_streamed_layers_for_one_row) {
  if (!built()) GTEST_SKIP() << "built without CUDA";
  for (const char* op : {"linear", "gated_linear"}) {
    const KernelDef* streamed = find_kernel("cuda", std::string(op) + "_stream");
    const KernelDef* gemv = find_kernel("cuda", std::string(op) + "_gemv");
    ASSERT_TRUE(streamed && gemv) << op;
    const auto rank = [](const KernelDef& kernel, const KernelDesc& desc) {
      return kernel.rank ? kernel.rank(desc) : kernel.priority;
    };
    for (const int64_t rows : {1, 2, 8}) {
      const KernelDesc desc = layer(op, rows, 4096, DType::kBFloat16, DType::kBFloat16);
      EXPECT_EQ(rank(*streamed, desc) > rank(*gemv, desc), rows > 1) << op << " " << rows;
    }
  }
}

}  // namespace
}  // namespace ingot
