#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/knobs.h"
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/kv_pages.h"
#include "kernels/kernel_def.h"
#include "kernels/reference.h"
#include "tensor/cpu_isa.h"

namespace ingot {
namespace {

// Its times are found again for the same sources alone; the reference adapter has none.
TEST(cpu_kernels, each_has_the_hash_of_its_sources) {
  std::set<std::string_view> hashes;
  for (const KernelDef* kernel : kernel_list()) {
    const std::string_view hash = kernel_source_hash(kernel->device, kernel->name);
    EXPECT_EQ(hash.size(), 12u) << kernel->name;
    EXPECT_TRUE(hashes.insert(hash).second) << kernel->name;
  }
  EXPECT_EQ(kernel_source_hash("cpu", "of_a_plugin"), "");
}

// On all devices: engines name their choices by device and kernel.
TEST(cpu_kernels, names_begin_with_their_operator) {
  std::set<std::pair<std::string_view, std::string_view>> names;
  for (const KernelDef* kernel : kernel_list()) {
    EXPECT_TRUE(kernel->name.starts_with(kernel->op)) << kernel->name;
    EXPECT_TRUE(names.emplace(kernel->device, kernel->name).second) << kernel->name;
    EXPECT_NE(find_op(kernel->op), nullptr) << kernel->name;
  }
}

TEST(cpu_kernels, pages_outside_the_cache_are_errors) {
  std::vector<float> memory(2 * 4);
  std::vector<int32_t> table = {1, 2, -1};
  const TensorView cache = {
      DType::kFloat32, {2, 1, 4, 1}, reinterpret_cast<std::byte*>(memory.data())};
  const TensorView tables = {DType::kInt32, {1, 3}, reinterpret_cast<std::byte*>(table.data())};
  const cpu::KvPages pages(cache, tables);
  EXPECT_EQ(pages.slot(0, 1, 0), cache.data + 5 * sizeof(float));
  const auto message = [&](int64_t row, int64_t position) -> std::string {
    try {
      pages.slot(row, position, 0);
    } catch (const Error& error) {
      return error.code() == ErrorCode::kInvalidArgument ? error.what() : "another code";
    }
    return "";
  };
  EXPECT_NE(message(0, 4).find("expected page 0 to 1, found 2"), std::string::npos);
  EXPECT_NE(message(0, 8).find("expected page 0 to 1, found -1"), std::string::npos);
  EXPECT_NE(message(0, 12).find("expected block 0 to 2, found 3"), std::string::npos);
  EXPECT_NE(message(0, -1).find("expected position 0 to 11, found -1"), std::string::npos);
  EXPECT_NE(message(1, 0).find("expected batch row 0 to 0, found 1"), std::string::npos);
}

TEST(cpu_kernels, all_pass_their_self_test) {
  for (const KernelDef* kernel : kernel_list()) {
    if (kernel->device != "cpu") continue;
    EXPECT_EQ(find_kernel("cpu", kernel->name), kernel) << kernel->name;
  }
}

KernelDesc small_linear(DType type) {
  KernelDesc desc;
  desc.op = "linear";
  desc.inputs = {{.type = type, .shape = {4, 64}},
                 {.type = type, .shape = {16, 64}, .constant = true}};
  desc.outputs = {{.type = type, .shape = {4, 16}}};
  return desc;
}

// Names of the kernels that would run a small bfloat16 linear layer, best first.
std::vector<std::string> usable_linear_kernels() {
  std::vector<std::string> names;
  const KernelDesc desc = small_linear(DType::kBFloat16);
  for (const KernelDef* kernel : kernels_for("cpu", "linear")) {
    if (kernel->supports(desc).empty()) names.emplace_back(kernel->name);
  }
  return names;
}

TEST(cpu_kernels, the_instruction_set_knob_decides_which_kernels_run) {
  set_knob("cpu_isa", "scalar");
  EXPECT_EQ(usable_linear_kernels(), std::vector<std::string>{"reference"});
  set_knob("cpu_isa", "auto");
  const CpuIsa isa = cpu_isa();
  const std::vector<std::pair<CpuIsa, std::string>> levels = {
      {CpuIsa::kAvx2, "linear_avx2"},
      {CpuIsa::kAvx512, "linear_avx512"},
      {CpuIsa::kAvx512Bf16, "linear_avx512bf16"},
      {CpuIsa::kAmx, "linear_amx"}};
  for (const auto& [level, best] : levels) {
    if (isa < level) continue;
    set_knob("cpu_isa", cpu_isa_name(level));
    EXPECT_EQ(usable_linear_kernels().front(), best);
  }
  set_knob("cpu_isa", "auto");
}

// Adds one to the first output: the error of a broken instruction set.
std::unique_ptr<KernelInstance> prepare_wrong(const KernelDesc&, std::string_view) {
  return make_instance([](const LaunchArgs& args, ExecContext&) {
    run_reference("linear", {}, args.inputs, args.outputs);
    store_element(args.outputs[0], 0, load_element(args.outputs[0], 0) + 1);
  });
}
const KernelDef& wrong_kernel() {
  static const KernelDef kernel = {
      .name = "linear_wrong",
      .op = "linear",
      .device = "cpu",
      .priority = 1000,
      .supports = [](const KernelDesc&) { return std::string(); },
      .prepare = prepare_wrong,
      .self_test =
          [] {
            return cpu::self_test(
                wrong_kernel(),
                {{.inputs = {{DType::kFloat32, {2, 8}}, {DType::kFloat32, {3, 8}, true}}}});
          }};
  return kernel;
}

const KernelDef& faulting_kernel() {
  static const KernelDef kernel = {
      .name = "linear_faulting",
      .op = "linear",
      .device = "cpu",
      .priority = 1000,
      .supports = [](const KernelDesc&) { return std::string(); },
      .prepare =
          [](const KernelDesc&, std::string_view) {
            return make_instance([](const LaunchArgs&, ExecContext&) { __builtin_trap(); });
          },
      .self_test =
          [] {
            return cpu::self_test(
                faulting_kernel(),
                {{.inputs = {{DType::kFloat32, {2, 8}}, {DType::kFloat32, {3, 8}, true}}}});
          }};
  return kernel;
}

const KernelDef& stray_kernel() {
  static const KernelDef kernel = {
      .name = "linear_stray",
      .op = "linear",
      .device = "cpu",
      .priority = 1000,
      .supports = [](const KernelDesc&) { return std::string(); },
      .prepare =
          [](const KernelDesc&, std::string_view) {
            return make_instance([](const LaunchArgs&, ExecContext&) { std::raise(SIGSEGV); });
          },
      .self_test =
          [] {
            return cpu::self_test(
                stray_kernel(),
                {{.inputs = {{DType::kFloat32, {2, 8}}, {DType::kFloat32, {3, 8}, true}}}});
          }};
  return kernel;
}

TEST(cpu_kernels, a_stray_access_in_the_self_test_drops_the_kernel) {
  register_kernel(stray_kernel());
  EXPECT_EQ(find_kernel("cpu", "linear_stray"), nullptr);
}

TEST(cpu_kernels, an_illegal_instruction_in_the_self_test_drops_the_kernel) {
  register_kernel(faulting_kernel());
  EXPECT_EQ(find_kernel("cpu", "linear_faulting"), nullptr);
}

TEST(cpu_kernels, a_kernel_that_fails_its_self_test_is_never_used) {
  register_kernel(wrong_kernel());
  EXPECT_EQ(find_kernel("cpu", "linear_wrong"), nullptr);
  for (const KernelDef* kernel : kernels_for("cpu", "linear")) {
    EXPECT_NE(kernel->name, "linear_wrong");
  }
}

}  // namespace
}  // namespace ingot
