// Probe: the tuner on devices whose memory the host cannot touch, and on one that breaks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "base/json.h"
#include "compiler/compile.h"
#include "engine/executor.h"
#include "graph/text.h"
#include "models/contract/model_def.h"
#include "tests/contracts/fake_device.h"

namespace ingot {
namespace {

using testing::HasSubstr;

// What kernels saw of their integer operands, by operand index, at their last launch of so many
// tokens.
using Seen = std::map<size_t, std::vector<int64_t>>;
std::map<int64_t, Seen>& attention_seen() {
  static std::map<int64_t, Seen> seen;
  return seen;
}
std::map<int64_t, Seen>& embedding_seen() {
  static std::map<int64_t, Seen> seen;
  return seen;
}
std::atomic<int> spied = 0;

std::vector<int64_t> read(const TensorView& view, ExecContext& context) {
  std::vector<std::byte> bytes(static_cast<size_t>(view.bytes()));
  context.device.copy_out(bytes.data(), view.data, bytes.size(), context.stream);
  context.stream.synchronize();
  std::vector<int64_t> out;
  const TensorView host{view.type, view.shape, bytes.data()};
  for (int64_t i = 0; i < host.elements(); ++i) out.push_back(load_index(host, i));
  return out;
}

// The reference with a look at its operands: not capturable, as it waits for copies.
template <std::map<int64_t, Seen>& (*kSeen)()>
std::unique_ptr<KernelInstance> spy(const KernelDesc& desc, std::string_view) {
  return make_instance([desc](const LaunchArgs& args, ExecContext& context) {
    ++spied;
    Seen& seen = kSeen()[desc.outputs[0].shape[0]];
    for (size_t i = 0; i < args.inputs.size(); ++i) {
      if (args.inputs[i].type == DType::kInt32) seen[i] = read(args.inputs[i], context);
    }
    static_cast<FakeDevice&>(context.device).launch(desc, args);
  });
}

void register_spies() {
  static const KernelDef attention = {.name = "tune_device_spy_attention",
                                      .op = "paged_attention",
                                      .device = "fake",
                                      .capturable = false,
                                      .priority = -5,
                                      .prepare = spy<attention_seen>};
  static const KernelDef embedding = {.name = "tune_device_spy_embedding",
                                      .op = "embedding",
                                      .device = "fake",
                                      .capturable = false,
                                      .priority = -5,
                                      .prepare = spy<embedding_seen>};
  // Writes nothing: its result is what was there before.
  static const KernelDef idle = {
      .name = "tune_device_idle_embedding",
      .op = "embedding",
      .device = "fake",
      .priority = -6,
      .prepare = [](const KernelDesc&, std::string_view) -> std::unique_ptr<KernelInstance> {
        return make_instance([](const LaunchArgs&, ExecContext&) {});
      }};
  for (const KernelDef* kernel : {&attention, &embedding, &idle}) register_kernel(*kernel);
}

// 8 tokens, 2 sequences of up to 4 blocks with 32 positions.
std::shared_ptr<Engine> llama(Device* device, TimingCache* timings) {
  const ModelSource source = open_model_source(INGOT_TEST_DATA "/goldens/llama-mha");
  const auto graph = build_model(source, {.dtype = DType::kFloat32});
  CompileOptions options;
  options.limits = {
      {"tokens", 8}, {"batch", 2}, {"logit_rows", 2}, {"max_blocks", 4}, {"kv_pages", 8}};
  options.device = device;
  options.timings = timings;
  options.tune_seconds = 1000;
  return compile(*graph, options);
}

std::vector<float> logits_of(const std::shared_ptr<const Engine>& engine, Device& device) {
  Executor executor(engine, device);
  auto set = [&](std::string_view name, std::vector<int32_t> values, Shape shape) {
    executor.set_input(
        name, {DType::kInt32, std::move(shape), reinterpret_cast<std::byte*>(values.data())});
  };
  set("token_ids", {3, 17, 90}, {3});
  set("positions", {0, 1, 2}, {3});
  set("token_rows", {0, 0, 0}, {3});
  set("context_lengths", {3}, {1});
  set("query_offsets", {0, 3}, {2});
  set("logit_rows", {2}, {1});
  set("block_tables", {5}, {1, 1});
  executor.run();
  std::vector<std::byte> memory;
  const TensorView logits = executor.fetch(executor.output("logits"), memory);
  return {logits.as<float>(), logits.as<float>() + logits.elements()};
}

template <class T>
std::set<T> set_of(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

TEST(TuneDevice, TunesWhereTheHostCannotTouchMemory) {
  register_spies();
  FakeDevice device;
  {
    TimingCache cache;
    const auto engine = llama(&device, &cache);
    const Json report = parse_json(engine->extras.at("report"), "test", "report")["tuning"];
    EXPECT_GT(report["timed"].get<int>(), 0);
    EXPECT_FALSE(report.contains("stopped"));
    EXPECT_GT(device.captures, 0);
    EXPECT_GT(device.replays, device.captures);
    ASSERT_EQ(engine->devices.size(), 1u);
    EXPECT_EQ(engine->devices[0].device, device.identity());
    bool attention = false, embedding = false;
    for (const auto& [desc, choice] : engine->devices[0].choices) {
      attention |= desc.starts_with("paged_attention");
      embedding |= desc.starts_with("embedding");
      EXPECT_NE(choice.kernel, "tune_device_idle_embedding") << desc;
      EXPECT_GT(choice.microseconds, 0) << desc;
    }
    EXPECT_TRUE(attention && embedding);
    EXPECT_THAT(report["details"].dump(),
                HasSubstr("tune_device_idle_embedding : its result differs"));

    // A second build asks the cache alone.
    const int launches = device.launches, before = spied;
    const auto again = llama(&device, &cache);
    const Json warm = parse_json(again->extras.at("report"), "test", "report")["tuning"];
    EXPECT_EQ(warm["timed"], 0);
    EXPECT_EQ(warm["cached"], report["timed"]);
    EXPECT_EQ(device.launches, launches) << "a kernel ran";
    EXPECT_EQ(spied, before);
    EXPECT_EQ(again->devices[0].choices, engine->devices[0].choices);

    // What was tuned runs there and gives what heuristics give.
    EXPECT_EQ(section_notice(*engine, device), "");
    EXPECT_EQ(logits_of(engine, device), logits_of(llama(nullptr, nullptr), device));
  }
  EXPECT_EQ(device.violations, std::vector<std::string>{});
}

TEST(TuneDevice, IntegerOperandsAreRepresentative) {
  register_spies();
  FakeDevice device;
  attention_seen().clear();
  embedding_seen().clear();
  llama(&device, nullptr);
  for (int64_t tokens : {1, 8}) {
    ASSERT_TRUE(attention_seen().count(tokens)) << tokens;
    const Seen& seen = attention_seen().at(tokens);
    const int64_t batch = std::min<int64_t>(2, tokens);
    EXPECT_EQ(seen.at(3).back(), 4 * 32 - 1) << "the last position of the longest context";
    // Eight tokens of two sequences are a prompt of one of them.
    EXPECT_EQ(set_of(seen.at(4)).size(), 1u) << "a prompt is one sequence's";
    EXPECT_EQ(seen.at(5).back(), tokens);
    EXPECT_EQ(seen.at(6), std::vector<int64_t>(static_cast<size_t>(batch), 4 * 32));
    EXPECT_EQ(set_of(seen.at(7)).size(), static_cast<size_t>(4 * batch)) << "pages are distinct";
    ASSERT_TRUE(embedding_seen().count(tokens)) << tokens;
    EXPECT_EQ(set_of(embedding_seen().at(tokens).at(0)).size(), static_cast<size_t>(tokens));
  }
}

// A host device that dies with one kernel, as a CUDA context does.
class BreakingDevice final : public Device {
 public:
  std::string_view kind() const override { return "breaking"; }
  std::string identity() const override { return "breaking:1"; }
  std::byte* allocate(size_t size) override { return host_->allocate(size); }
  void release(std::byte* data, size_t size) noexcept override { host_->release(data, size); }
  void copy_in(std::byte* dst, const std::byte* src, size_t size, Stream&) override {
    check();
    std::copy_n(src, size, dst);
  }
  void copy_out(std::byte* dst, const std::byte* src, size_t size, Stream&) override {
    check();
    std::copy_n(src, size, dst);
  }
  bool host_visible() const override { return true; }
  std::unique_ptr<Stream> make_stream() override { return std::make_unique<Queue>(*this); }

  bool broken = false;

 private:
  struct Queue final : Stream {
    explicit Queue(BreakingDevice& d) : device(d) {}
    void synchronize() override { device.check(); }
    BreakingDevice& device;
  };
  void check() const {
    if (broken) fail(ErrorCode::kInternal, "test", "an illegal memory access was encountered");
  }
  std::unique_ptr<Device> host_ = make_cpu_device(1);
};

const OpDef& breaking_op() {
  static const OpDef op = {
      .name = "test_breaking",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .reference =
          [](const OpArgs& args) {
            std::copy_n(args.inputs[0].data, args.inputs[0].bytes(), args.outputs[0].data);
          }};
  return op;
}

template <bool kBreaks>
KernelDef breaking_kernel(std::string_view name) {
  return {.name = name,
          .op = "test_breaking",
          .device = "breaking",
          .prepare = [](const KernelDesc&, std::string_view) -> std::unique_ptr<KernelInstance> {
            return make_instance([](const LaunchArgs& args, ExecContext& context) {
              if (kBreaks) static_cast<BreakingDevice&>(context.device).broken = true;
              breaking_op().reference({args.inputs, args.outputs, {}});
            });
          }};
}

TEST(TuneDevice, AKernelThatBreaksTheDeviceEndsTheTuningAndIsNotTriedAgain) {
  register_op(breaking_op());
  static const KernelDef good = breaking_kernel<false>("test_breaking_good");
  static const KernelDef bad = breaking_kernel<true>("test_breaking_bad");
  register_kernel(good);
  register_kernel(bad);
  TimingCache cache;
  auto build = [&](Device& device) {
    auto graph = parse_graph(
        "graph main\n  input %x : float32[4]\n  %y = test_breaking(%x) : float32[4]\n"
        "  return %y\n");
    CompileOptions options;
    options.device = &device;
    options.timings = &cache;
    return compile(*graph, options);
  };
  BreakingDevice first, second;
  const auto stopped = build(first);
  EXPECT_TRUE(stopped->devices.at(0).choices.empty());
  EXPECT_THAT(stopped->extras.at("report"),
              HasSubstr("the device stopped working after test_breaking_bad"));
  const auto tuned = build(second);
  EXPECT_FALSE(second.broken);
  ASSERT_FALSE(tuned->devices.at(0).choices.empty());
  EXPECT_EQ(tuned->devices[0].choices.begin()->second.kernel, "test_breaking_good");
}

}  // namespace
}  // namespace ingot
