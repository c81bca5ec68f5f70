// Which kernels read which block formats without a copy, and that they decode exactly.
#include <gtest/gtest.h>

#include <set>

#include "base/thread_team.h"
#include "kernels/kernel_def.h"
#include "kernels_cpu_format_list.h"
#include "tensor/block_format.h"
#include "tensor/buffer.h"
#include "tensor/cpu_isa.h"

namespace ingot {
namespace {

// Formats with a kernels/cpu/formats/<format>.h.
const std::set<std::string_view> kInRegisters = {INGOT_CPU_FORMATS};

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

// The others are decoded into memory, a panel at a time.
TEST(block_formats, cpu_vector_kernels_decode_in_registers) {
  size_t in_registers = 0;
  for (const BlockFormat* format : tensor_format_list()) {
    in_registers += kInRegisters.count(format->name);
    for (const char* name : {"linear_avx2", "linear_avx512"}) {
      const KernelDef* kernel = listed(name);
      ASSERT_NE(kernel, nullptr) << name;
      const bool panel = kernel->tactics(linear_of(*format, 1, 8)).front() == "panel";
      EXPECT_EQ(panel, !kInRegisters.contains(format->name)) << name << " on " << format->name;
    }
  }
  EXPECT_EQ(in_registers, kInRegisters.size()) << "a decoder of a format that is not on the shelf";
}

// The rows of the unit matrix give the weights themselves.
void expect_exact(const KernelDef& kernel, const BlockFormat& format) {
  const int64_t n = 3, k = 2 * format.block_elements;
  std::vector<float> want(static_cast<size_t>(n * k));
  std::vector<std::byte> encoded(static_cast<size_t>(n * 2 * format.block_bytes));
  random_blocks(format, 7, n * 2, encoded.data());
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
