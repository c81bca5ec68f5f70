// Which kernels read which block formats without a copy: all of the shelf, but for those named here
// with the reason.
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "base/thread_team.h"
#include "kernels/kernel_def.h"
#include "tensor/block_format.h"
#include "tensor/buffer.h"
#include "tensor/cpu_isa.h"

namespace ingot {
namespace {

// Formats without a kernels/cpu/formats/<format>.h.
const std::map<std::string_view, std::string_view> kPanelOnCpu = {
    {"q2_k", "groups of 16 with their own scale and minimum: no vector code yet"},
    {"q3_k", "6-bit scales spread over the block: no vector code yet"},
    {"q4_0", "files of today bring Q4_1 and K-quants: no vector code yet"},
    {"q4_k", "6-bit scales and minima: no vector code yet"},
    {"q5_0", "a separate bit a weight: no vector code yet"},
    {"q5_1", "a separate bit a weight: no vector code yet"},
    {"q5_k", "a separate bit a weight: no vector code yet"},
    {"q6_k", "two separate bits a weight: no vector code yet"},
};

KernelDesc linear_of(const BlockFormat& format, int64_t m, int64_t n) {
  const int64_t k = 2 * format.block_elements;
  KernelDesc desc;
  desc.op = "linear";
  desc.inputs = {{.type = DType::kFloat32, .shape = {m, k}},
                 {.type = ElementType(format), .shape = {n, k}, .constant = true}};
  desc.outputs = {{.type = DType::kFloat32, .shape = {m, n}}};
  return desc;
}

const KernelDef* listed(std::string_view name) {
  for (const KernelDef* kernel : kernel_list()) {
    if (kernel->name == name) return kernel;
  }
  return nullptr;
}

TEST(block_formats, cpu_vector_kernels_decode_in_registers) {
  std::map<std::string_view, std::string_view> exceptions = kPanelOnCpu;
  for (const BlockFormat* format : tensor_format_list()) {
    exceptions.erase(format->name);
    for (const char* name : {"linear_avx2", "linear_avx512"}) {
      const KernelDef* kernel = listed(name);
      ASSERT_NE(kernel, nullptr) << name;
      const bool panel = kernel->tactics(linear_of(*format, 1, 8)).front() == "panel";
      EXPECT_EQ(panel, kPanelOnCpu.contains(format->name))
          << name << " on " << format->name
          << ": add kernels/cpu/formats/<format>.h, or the reason in kPanelOnCpu";
    }
  }
  EXPECT_TRUE(exceptions.empty()) << exceptions.begin()->first << " is not on the shelf";
}

// The rows of the unit matrix give the weights themselves.
void expect_exact(const KernelDef& kernel, const BlockFormat& format) {
  const int64_t n = 3, k = 2 * format.block_elements;
  std::vector<float> source(static_cast<size_t>(n * k)), want(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    source[i] = static_cast<float>(random_below(7, i, 2001)) * 1e-3f - 1;
  }
  std::vector<std::byte> encoded(static_cast<size_t>(n * 2 * format.block_bytes));
  format.encode(source.data(), n * 2, encoded.data());
  format.decode(encoded.data(), n * 2, want.data());
  std::vector<float> unit(static_cast<size_t>(k * k)), got(static_cast<size_t>(k * n));
  for (int64_t i = 0; i < k; ++i) unit[static_cast<size_t>(i * k + i)] = 1;
  const KernelDesc desc = linear_of(format, k, n);
  for (const std::string& tactic : kernel.tactics(desc)) {
    const auto instance = kernel.prepare(desc, tactic);
    const std::vector<TensorView> inputs = {
        {DType::kFloat32, {k, k}, reinterpret_cast<std::byte*>(unit.data())},
        {ElementType(format), {n, k}, encoded.data()}};
    const std::vector<TensorView> outputs = {
        {DType::kFloat32, {k, n}, reinterpret_cast<std::byte*>(got.data())}};
    ThreadTeam team(1);
    const auto device = make_cpu_device(1);
    const auto stream = device->make_stream();
    const Buffer workspace(*device, instance->workspace_bytes());
    ExecContext context = {*device, *stream, &team, {workspace.data(), workspace.size()}};
    instance->launch({inputs, outputs, {}}, context);
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t r = 0; r < n; ++r) {
        ASSERT_EQ(got[static_cast<size_t>(i * n + r)], want[static_cast<size_t>(r * k + i)])
            << kernel.name << " " << tactic << " " << format.name << " row " << r << " element "
            << i;
      }
    }
  }
}

TEST(block_formats, cpu_vector_kernels_decode_exactly) {
  int kernels = 0;
  for (const auto& [isa, name] :
       {std::pair(CpuIsa::kAvx2, "linear_avx2"), std::pair(CpuIsa::kAvx512, "linear_avx512")}) {
    if (cpu_isa() < isa) continue;
    ++kernels;
    for (const BlockFormat* format : tensor_format_list()) expect_exact(*listed(name), *format);
  }
  EXPECT_GT(kernels, 0) << "expected a CPU with AVX2 or newer";
}

// Asks supports() alone: no GPU is needed where the kernels are built.
TEST(block_formats, gpu_gemv_decodes_in_registers) {
  if (listed("linear_gemv_block") == nullptr) GTEST_SKIP() << "built without CUDA";
  for (const BlockFormat* format : tensor_format_list()) {
    EXPECT_EQ(listed("linear_gemv_block")->supports(linear_of(*format, 1, 8)), "") << format->name;
    EXPECT_EQ(listed("linear_dequant")->supports(linear_of(*format, 64, 8)), "") << format->name;
  }
}

}  // namespace
}  // namespace ingot
