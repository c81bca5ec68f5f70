// What a kernel that reads where nothing lies does to a run on a GPU: the error names the kernel,
// requests end, and the process ends too. Each case runs in a process of its own, since such a
// fault leaves the process without a usable GPU.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.h"
#include "base/knobs.h"
#include "base/log.h"
#include "runtime/engine_runner.h"
#include "runtime/loop.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace gpu_faults_test {

constexpr int64_t kCount = 1024;
constexpr unsigned kMostSeconds = 60;
constexpr int kFaultSeen = 3;

// Where no GPU maps anything.
std::byte* nowhere() { return reinterpret_cast<std::byte*>(uintptr_t{0x7f} << 32); }

bool has_gpu() {
  for (const DeviceDef* def : tensor_device_list()) {
    if (def->kind == "cuda") return !def->list().empty();
  }
  return false;
}

std::shared_ptr<const Engine> product() {
  PlanBuilder b("product");
  const int x = b.input("x", DType::kFloat32, {Dim::symbol("n")});
  b.output(b.step("mul", {}, {x, x})[0], "y");
  const SymbolValues limits = {{"n", kCount}};
  auto engine = std::make_shared<Engine>();
  engine->plan = b.finish(limits, {limits});
  return engine;
}

void run_at(Executor& executor, std::byte* data) {
  executor.share_input("x", {DType::kFloat32, {kCount}, data});
  executor.set_symbol("n", kCount);
  executor.run();
}

// Ends the process: with kFaultSeen and the error's text, if there was one.
void run_product(bool good_first) {
  ::alarm(kMostSeconds);
  try {
    const auto device = open_device("cuda:0");
    const Buffer memory(*device, kCount * sizeof(float));
    Executor executor(product(), *device);
    if (good_first) run_at(executor, memory.data());
    run_at(executor, nowhere());
  } catch (const Error& error) {
    std::fprintf(stderr, "seen: %s\n", error.what());
    std::exit(kFaultSeen);
  }
  std::exit(0);
}

// A text model whose first kernel reads nowhere; how many of two requests end with an error.
int failed_requests() {
  const auto device = open_device("cuda:0");
  EngineRunnerOptions options;
  options.kv_pages = 8;
  EngineRunner runner(tiny_engine(), *device, options);
  runner.executor().share_input("token_ids", {DType::kInt32, {64}, nowhere()});
  SteadyClock clock;
  Loop loop(runner, {}, clock);
  int failed = 0;
  for (int i = 0; i < 2; ++i) {
    Request request;
    request.prompt = {1, 2, 3};
    request.sampling.max_tokens = 4;
    loop.generate(std::move(request), [&](const TokenEvent& event) {
      failed += event.finish == FinishReason::kInternal;
      return true;
    });
  }
  return failed;
}

void run_requests() {
  ::alarm(kMostSeconds);
  init_log();
  std::exit(failed_requests() == 2 ? kFaultSeen : 0);
}

class GpuFaults : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_gpu()) GTEST_SKIP() << "no NVIDIA GPU";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
};

TEST_F(GpuFaults, gpu_first_run_names_the_kernel) {
  EXPECT_EXIT(run_product(false), testing::ExitedWithCode(kFaultSeen),
              "seen: .*kernel 'mul[a-z_]*' .step 0 of plan 'product'.*illegal memory access");
}

TEST_F(GpuFaults, gpu_later_runs_say_how_to_learn_the_name) {
  EXPECT_EXIT(run_product(true), testing::ExitedWithCode(kFaultSeen),
              "seen: .*illegal memory access.*INGOT_WAIT_KERNELS=1");
}

TEST_F(GpuFaults, gpu_later_runs_name_it_with_the_knob) {
  set_knob("wait_kernels", "1");
  EXPECT_EXIT(run_product(true), testing::ExitedWithCode(kFaultSeen),
              "seen: .*kernel 'mul[a-z_]*' .step 0 of plan 'product'.*illegal memory access");
  set_knob("wait_kernels", "0");
}

TEST_F(GpuFaults, gpu_every_request_ends) {
  EXPECT_EXIT(run_requests(), testing::ExitedWithCode(kFaultSeen),
              "kernel '[a-z_]*' .step 0 of plan 'forward': embedding .*illegal memory access");
}

}  // namespace gpu_faults_test
}  // namespace ingot
