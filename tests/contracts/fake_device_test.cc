// Probe: a device whose memory the host cannot touch runs a Llama-like plan with captured graphs:
// binding, aliasing and replay are checked at every launch, and logits are the CPU device's bits.
#include "tests/contracts/fake_device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/knobs.h"
#include "compiler/compile.h"
#include "compiler/timing_cache.h"
#include "compiler/tune.h"
#include "compiler/tune_jobs.h"
#include "engine/executor.h"
#include "engine/weights.h"
#include "models/contract/model_def.h"
#include "runtime/decoder_session.h"
#include "tests/engine/small_engine.h"

namespace ingot {
namespace {

std::shared_ptr<const Engine> llama() {
  const ModelSource source = open_model_source(INGOT_TEST_DATA "/goldens/llama-mha");
  const auto graph = build_model(source, {.dtype = DType::kFloat32});
  return compile(*graph, {.passes = {.verify = true}});
}

// One sequence of up to 64 tokens on any device.
class Session {
 public:
  Session(std::shared_ptr<const Engine> engine, Device& device, std::vector<Adapter> adapters = {})
      : decoder_(std::move(engine), device, 64, 16, options(std::move(adapters))) {}

  // Logits after the last of `ids`, the first of which is at `position`.
  std::vector<float> step(const std::vector<int32_t>& ids, int64_t position) {
    decoder_.truncate(position);
    return decoder_.forward(ids, false);
  }
  Executor& executor() { return decoder_.executor(); }

 private:
  static ExecutorOptions options(std::vector<Adapter> adapters) {
    ExecutorOptions o;
    o.selection.reference = false;
    o.adapters = std::move(adapters);
    o.capture = true;
    return o;
  }
  DecoderSession decoder_;
};

// Same reference arithmetic on the host, as a device of its own kind would give it.
std::vector<float> on_cpu(const std::shared_ptr<const Engine>& engine,
                          const std::vector<std::vector<int32_t>>& steps,
                          std::vector<Adapter> adapters = {}) {
  const auto device = make_cpu_device(1);
  Session session(engine, *device, std::move(adapters));
  std::vector<float> out;
  int64_t position = 0;
  for (const auto& ids : steps) {
    out = session.step(ids, position);
    position += static_cast<int64_t>(ids.size());
  }
  return out;
}

void expect_close(const std::vector<float>& found, const std::vector<float>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 2e-4) << i;
}

TEST(FakeDevice, RunsLlamaFromCapturedGraphs) {
  const auto engine = llama();
  FakeDevice device;
  {
    Session session(engine, device);
    const std::vector<int32_t> prompt = {3, 17, 90, 5, 44}, other = {8, 9, 10, 11, 12};
    expect_close(session.step(prompt, 0), on_cpu(engine, {prompt}));
    expect_close(session.step({7}, 5), on_cpu(engine, {prompt, {7}}));  // other symbols
    EXPECT_EQ(device.captures, 0);                                      // sizes seen once
    expect_close(session.step(prompt, 0), on_cpu(engine, {prompt}));
    const int before = device.launches;
    expect_close(session.step({7}, 5), on_cpu(engine, {prompt, {7}}));
    EXPECT_EQ(device.captures, 2);
    const int launches = device.launches;
    expect_close(session.step({21}, 6), on_cpu(engine, {prompt, {7}, {21}}));
    // Same symbols as the first step, other data: the first graph, not the last.
    expect_close(session.step(other, 0), on_cpu(engine, {other}));
    expect_close(session.step({7}, 5), on_cpu(engine, {other, {7}}));
    EXPECT_EQ(device.captures, 2);
    EXPECT_EQ(device.replays, 5);
    EXPECT_EQ(device.launches - launches, 3 * (launches - before));  // the same launches each time

    // Buffers alive at one step lie apart: "name bytes first last offset" a line.
    struct Item {
      int64_t bytes, first, last, offset;
    };
    std::vector<Item> items;
    std::istringstream text(session.executor().memory().text);
    std::string line, name;
    std::getline(text, line);
    for (Item i{}; text >> name >> i.bytes >> i.first >> i.last >> i.offset;) items.push_back(i);
    ASSERT_GT(items.size(), 10u);
    for (size_t a = 0; a < items.size(); ++a) {
      for (size_t b = 0; b < a; ++b) {
        const Item &x = items[a], &y = items[b];
        const bool together = x.first <= y.last && y.first <= x.last;
        const bool apart = x.offset + x.bytes <= y.offset || y.offset + y.bytes <= x.offset;
        EXPECT_TRUE(!together || apart) << a << " and " << b;
      }
    }
  }
  EXPECT_EQ(device.violations, std::vector<std::string>{});
}

// Kernels of gated_linear take the steps of each layer's gate and up over where they were chosen.
TEST(FakeDevice, RunsFusedStepsThatWereChosen) {
  const auto plain = llama();
  const auto fused = std::make_shared<Engine>(*plain);
  FakeDevice device;
  {
    WeightStore weights(*fused, device);
    const std::vector<FusedStep> steps = find_fused_steps(fused->plan, device.kind());
    const auto layers = std::count_if(steps.begin(), steps.end(), [](const FusedStep& fused) {
      return fused.op == "gated_linear";
    });
    ASSERT_EQ(layers, 2);
    DeviceSection section = {device.identity(), {}};
    for (const TuneJob& job : tune_jobs(fused->plan, steps, weights, device.capability())) {
      if (job.desc.op != "gated_linear") continue;
      section.choices[job.desc.text()] = {"fake_gated_linear", 1, "", 1};
    }
    fused->devices = {section};
    const std::vector<int32_t> prompt = {3, 17, 90, 5, 44};
    const auto launches = [&](const std::shared_ptr<const Engine>& engine) {
      Session session(engine, device);
      const int before = device.launches;
      expect_close(session.step(prompt, 0), on_cpu(plain, {prompt}));
      expect_close(session.step({7}, 5), on_cpu(plain, {prompt, {7}}));
      return device.launches - before;
    };
    EXPECT_EQ(launches(plain) - launches(fused), 2 * 2);
  }
  EXPECT_EQ(device.violations, std::vector<std::string>{});
}

// Whichever operators of fused steps are chosen, and with an adapter of a layer that they cover.
TEST(FakeDevice, EverySetOfFusedStepsGivesTheSame) {
  const auto plain = llama();
  const std::string tensor = "model.layers.1.self_attn.o_proj.weight";
  const auto found =
      std::find_if(plain->plan.tensors.begin(), plain->plan.tensors.end(),
                   [&](const PlanTensor& candidate) { return candidate.name == tensor; });
  ASSERT_NE(found, plain->plan.tensors.end());
  const int64_t rows = found->shape[0], columns = found->shape[1];
  std::vector<float> a = ramp(static_cast<size_t>(2 * columns), -0.2f, 0.03f);
  std::vector<float> b = ramp(static_cast<size_t>(rows * 2), -0.1f, 0.02f);
  const std::vector<Adapter> adapter = {
      {tensor, host_view(a, {2, columns}), host_view(b, {rows, 2}), 1}};
  const std::vector<int32_t> prompt = {3, 17, 90, 5, 44};
  const std::vector<float> base = on_cpu(plain, {prompt, {7}});
  const std::vector<float> adapted = on_cpu(plain, {prompt, {7}}, adapter);
  ASSERT_NE(adapted, base);
  FakeDevice device;
  const std::vector<FusedStep> steps = find_fused_steps(plain->plan, device.kind());
  std::set<std::string> names;
  for (const FusedStep& fused : steps) names.insert(fused.op);
  const std::vector<std::string> ops(names.begin(), names.end());
  ASSERT_EQ(ops.size(), 4u) << "more take a long time: choose some of the sets";
  for (size_t set = 1; set < size_t{1} << ops.size(); ++set) {
    const auto fused = std::make_shared<Engine>(*plain);
    DeviceSection section = {device.identity(), {}};
    WeightStore weights(*fused, device);
    for (const TuneJob& job : tune_jobs(fused->plan, steps, weights, device.capability())) {
      const auto at = std::find(ops.begin(), ops.end(), job.desc.op);
      if (at != ops.end() && (set >> (at - ops.begin()) & 1) == 0) continue;
      section.choices[job.desc.text()] = {"fake_" + job.desc.op, 1, "", 1};
    }
    fused->devices = {section};
    SCOPED_TRACE(set);
    for (const bool with : {false, true}) {
      Session session(fused, device, with ? adapter : std::vector<Adapter>{});
      for (int run = 0; run < 3; ++run) {  // the second is captured, the third a replay
        session.step(prompt, 0);
        expect_close(session.step({7}, 5), with ? adapted : base);
      }
    }
  }
  EXPECT_EQ(device.violations, std::vector<std::string>{});
}

// Sequences are timed as graphs, their operands side by side; whatever wins runs right.
TEST(FakeDevice, TunesFusedStepsInGraphs) {
  const auto plain = llama();
  const auto tuned = std::make_shared<Engine>(*plain);
  tuned->plan.buckets = {{{"tokens", 8}}};
  FakeDevice device;
  {
    TimingCache timings;
    TuneReport report, again;
    tuned->devices = {tune(*tuned, device, &timings, 600, report)};
    EXPECT_EQ(report.stopped, "");
    EXPECT_GT(device.captures, 1);
    size_t gated = 0;  // groups of what stands between two attentions of a layer
    for (const Json& item : report.details) {
      if (!item.contains("tilings")) continue;
      EXPECT_FALSE(item.contains("note")) << item.dump();
      for (const Json& tiling : item["tilings"]) EXPECT_TRUE(tiling.contains("us")) << item.dump();
      if (item["in_place"] != "linear + add_rms_norm + linear + act_mul") continue;
      ++gated;
      EXPECT_EQ(item["layers"], 2);
      EXPECT_EQ(item["tilings"].size(), 6u);
    }
    EXPECT_EQ(gated, 1u);
    const DeviceSection warm = tune(*tuned, device, &timings, 600, again);
    EXPECT_EQ(again.timed, 0);
    EXPECT_EQ(warm.choices, tuned->devices[0].choices);
    const std::vector<int32_t> prompt = {3, 17, 90, 5, 44};
    Session session(tuned, device);
    expect_close(session.step(prompt, 0), on_cpu(plain, {prompt}));
    expect_close(session.step({7}, 5), on_cpu(plain, {prompt, {7}}));
  }
  EXPECT_EQ(device.violations, std::vector<std::string>{});
}

// An executor is made by one thread and run by another (a loop's engine thread).
// Kernels of devices apart see a weight in one piece, wherever the host has its parts.
TEST(FakeDevice, PiecesLieSideBySide) {
  FakeDevice device;
  EngineMaker maker;
  const int w = maker.weight("w", {2, 5, 3}, {1, 1});
  const auto engine = maker.finish({});
  const PlanValue& value = engine->plan.values[static_cast<size_t>(w)];
  WeightStore store(*engine, device);
  EXPECT_EQ(store.piece_count(value), 1u);
  const std::vector<TensorView> views = store.view(value, {});
  ASSERT_EQ(views.size(), 1u);
  EXPECT_EQ(views[0].shape, (Shape{2, 5, 3}));
  std::vector<std::byte> back(2 * 5 * 3 * 4);
  const auto stream = device.make_stream();
  device.copy_out(back.data(), views[0].data, back.size(), *stream);
  for (size_t piece : {0, 1}) {
    const auto bytes = engine->tensors[piece];
    EXPECT_TRUE(
        std::equal(bytes.begin(), bytes.end(), back.begin() + 60 * static_cast<int>(piece)));
  }
}

TEST(FakeDevice, IsCurrentOnTheThreadThatRuns) {
  const auto engine = llama();
  FakeDevice device;
  Session session(engine, device);
  std::vector<float> found;
  std::thread([&] { found = session.step({3, 17, 90}, 0); }).join();
  expect_close(found, on_cpu(engine, {{3, 17, 90}}));
  expect_close(session.step({7}, 3), on_cpu(engine, {{3, 17, 90}, {7}}));
  EXPECT_EQ(device.violations, std::vector<std::string>{});
}

// A kernel's fault shows only where the host waits: the first run of each kernel is waited for, and
// every one with the knob.
TEST(FakeDevice, AFaultyKernelIsNamed) {
  const auto engine = llama();
  const auto fault = [](Session& session, const std::vector<int32_t>& ids) -> std::string {
    try {
      session.step(ids, 0);
      return "none";
    } catch (const Error& error) {
      return error.what();
    }
  };
  const std::vector<int32_t> prompt = {3, 17, 90};
  const std::string named = "kernel 'fake_paged_attention' (step ";
  FakeDevice device;
  device.faulty_op = "paged_attention";
  {
    Session session(engine, device);
    EXPECT_NE(fault(session, prompt).find(named), std::string::npos);
  }
  device.drain();
  device.faulty_op.clear();
  for (const char* wait : {"0", "1"}) {
    set_knob("wait_kernels", wait);
    Session session(engine, device);
    EXPECT_EQ(fault(session, prompt), "none");
    device.faulty_op = "paged_attention";
    const std::string message = fault(session, prompt);
    EXPECT_EQ(message.find(named) != std::string::npos, *wait == '1') << message;
    EXPECT_NE(message.find("a kernel failed"), std::string::npos) << message;
    device.faulty_op.clear();
  }
  set_knob("wait_kernels", "0");
}

// The checks can fail.
TEST(FakeDevice, SeesStaleAndAliasedMemory) {
  FakeDevice device;
  const KernelDesc desc{"rms_norm",
                        {},
                        {{DType::kFloat32, {1, 4}}, {DType::kFloat32, {4}}},
                        {{DType::kFloat32, {1, 4}}}};
  std::byte* memory = device.allocate(64);
  const TensorView x{DType::kFloat32, {1, 4}, memory}, w{DType::kFloat32, {4}, memory + 16};
  const TensorView y{DType::kFloat32, {1, 4}, memory + 32};
  auto launch = [&](const TensorView& out) {
    const std::vector<TensorView> inputs = {x, w}, outputs = {out};
    device.launch(desc, {inputs, outputs, {}});
    device.drain();
    return std::exchange(device.violations, {}).size();
  };
  EXPECT_EQ(launch(y), 1u);  // another device may be this thread's current one
  device.activate();
  EXPECT_EQ(launch(y), 0u);
  EXPECT_EQ(launch(x), 1u);                                       // in place, undeclared
  EXPECT_EQ(launch({DType::kFloat32, {1, 4}, memory + 56}), 1u);  // past the end
  device.release(memory, 64);
  EXPECT_EQ(launch(y), 1u);  // freed
}

}  // namespace
}  // namespace ingot
