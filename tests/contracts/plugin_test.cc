// Probe: an operator and its kernel from a shared library through the C ABI
// (relu_square_plugin.c), and libraries that must be refused.
#include "capi/plugin.h"

#include <gtest/gtest.h>

#include "compiler/compile.h"
#include "engine/executor.h"
#include "kernels/kernel_def.h"

namespace ingot {
namespace {

std::string plugin(const std::string& name) { return INGOT_BUILD_DIR "/tests/" + name + ".so"; }

constexpr int64_t kTokens = 5, kWidth = 7;

std::vector<float> run(bool reference, std::vector<std::string>& kernels) {
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {Dim::symbol("tokens"), kWidth}});
  const int y = graph.emit("probe_relu_square", {}, {x});
  graph.add_output(y);
  graph.rename(y, "y");
  graph.limits()["tokens"] = kTokens;
  const auto device = make_cpu_device(2);
  Executor executor(compile(graph, {.passes = {.verify = true}}), *device,
                    {.selection = {.reference = reference}});
  std::vector<float> input;
  for (int i = 0; i < kTokens * kWidth; ++i) input.push_back(static_cast<float>(i - 17) * 0.25f);
  executor.set_input(
      "x", {DType::kFloat32, {kTokens, kWidth}, reinterpret_cast<std::byte*>(input.data())});
  executor.run();
  kernels = executor.kernels_used();
  const auto* out = executor.output("y").as<float>();
  for (size_t i = 0; i < input.size(); ++i) {
    EXPECT_EQ(out[i], input[i] > 0 ? input[i] * input[i] : 0) << i;
  }
  return {out, out + input.size()};
}

std::string refusal(const std::string& path) {
  try {
    load_plugin(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Plugin, AddsAnOperatorAndItsKernel) {
  const PluginInfo info = load_plugin(plugin("relu_square_plugin"));
  EXPECT_EQ(info.ops, std::vector<std::string>{"probe_relu_square"});
  EXPECT_EQ(info.kernels, std::vector<std::string>{"probe_relu_square_plugin"});

  std::vector<std::string> kernels;
  const std::vector<float> fast = run(false, kernels);
  EXPECT_EQ(kernels, std::vector<std::string>{"probe_relu_square_plugin"});
  EXPECT_EQ(run(true, kernels), fast);
  EXPECT_EQ(kernels, std::vector<std::string>{"reference"});

  // The plugin's own words reach the user when types do not fit.
  Graph graph;
  const int ids = graph.add_input("ids", {DType::kInt64, {4}});
  try {
    graph.emit("probe_relu_square", {}, {ids});
    FAIL() << "an int64 input was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("expected one float32 input"), std::string::npos);
  }
  // Its workspace is sized for what the descriptor says: more rows must not reach it.
  KernelDesc desc;
  desc.op = "probe_relu_square";
  desc.inputs = desc.outputs = {{.type = DType::kFloat32, .shape = {1, kWidth}}};
  const auto instance = find_kernel("cpu", "probe_relu_square_plugin")->prepare(desc, "");
  std::vector<float> memory(kTokens * kWidth), space(64);
  const std::vector<TensorView> views = {
      {DType::kFloat32, {kTokens, kWidth}, reinterpret_cast<std::byte*>(memory.data())}};
  const auto device = make_cpu_device(1);
  const auto stream = device->make_stream();
  ExecContext context{*device, *stream, device->team(), std::as_writable_bytes(std::span(space))};
  try {
    instance->launch({views, views, {}}, context);
    ADD_FAILURE() << "more rows than the descriptor said were accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("is [5, 7], its workspace is sized for [1, 7]"),
              std::string::npos)
        << error.what();
  }
  // A second time its names are taken, and nothing changes.
  EXPECT_NE(refusal(plugin("relu_square_plugin")).find("exists already"), std::string::npos);
}

// Two operators or kernels of one name, or an alias of no operand: nothing of it is registered.
TEST(Plugin, RegistersAllOrNothing) {
  EXPECT_NE(refusal(plugin("twice_plugin")).find("operator 'probe_twice' is given twice"),
            std::string::npos);
  EXPECT_EQ(find_op("probe_twice"), nullptr);
  EXPECT_EQ(find_op("probe_twice_other"), nullptr);
  EXPECT_NE(refusal(plugin("twice_kernel_plugin")).find("kernel 'probe_add' is given twice"),
            std::string::npos);
  EXPECT_EQ(find_kernel("cpu", "probe_add"), nullptr);
  EXPECT_NE(refusal(plugin("negative_alias_plugin")).find("alias 0 has a negative index"),
            std::string::npos);
  EXPECT_EQ(find_op("probe_negative_alias"), nullptr);
}

TEST(Plugin, RefusesWhatIsNotOne) {
  EXPECT_NE(refusal(plugin("old_version_plugin")).find("ABI version 1, found 2"),
            std::string::npos);
  EXPECT_NE(refusal("libm.so.6").find("no regular file"), std::string::npos);  // no search path
  EXPECT_NE(refusal(INGOT_TEST_DATA "/goldens/llama-mha/config.json").find("config.json"),
            std::string::npos);
  EXPECT_NE(refusal("/lib/x86_64-linux-gnu/libm.so.6").find("not an Ingot plugin"),
            std::string::npos);
}

}  // namespace
}  // namespace ingot
