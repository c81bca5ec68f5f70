#include "compiler/tune_fusion.h"

#include "base/file.h"
#include "tests/compiler/chain_ops.h"

namespace ingot {
namespace tune_fusion_test {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kSeconds = 600;

class TuneFusionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { register_chain_ops(); }
  // Alone, plain steps take 340 us, A's 150 for their 120, G's 230 for 220, AG's 390.
  TuneFusionTest() {
    chain_world() = {};
    cost("chain_o", 100);
    cost("chain_norm", 20);
    cost("chain_up", 200);
    cost("chain_act", 20);
    cost("chain_a", 130);
    cost("chain_g", 230);
    cost("chain_ag", 260);
  }
  static void cost(const std::string& op, double microseconds) {
    chain_world().microseconds[op] = microseconds;
  }
  const DeviceSection& tuned(int layers = 2, int tails = 0, TimingCache* timings = nullptr,
                             double seconds = kSeconds) {
    engine_ = chain_engine(layers, tails);
    report_ = {};
    engine_->devices = {tune(*engine_, *device_, timings, seconds, report_)};
    return engine_->devices[0];
  }
  // What a cache says of kernels.
  static TimingCache without_sequences(const TimingCache& cache) {
    ScratchDirectory dir;
    cache.save(dir / "cache");
    const Json json = parse_json(read_file(dir / "cache"), "test", "cache");
    TimingCache out;
    for (const auto& [key, value] : json.items()) {
      if (key.find("fused steps in place") == std::string::npos) out.put(key, value);
    }
    return out;
  }
  // What an executor with the choices of tuned() launches, by operator.
  std::vector<std::string> launched(ExecutorOptions options = {}) {
    Executor executor(engine_, *device_, std::move(options));
    std::vector<float> x(8, 1);
    executor.set_input("x", host_view(x, {2, 4}));
    chain_world().ran.clear();
    executor.run();
    std::vector<std::string> out;
    for (const ChainRun& run : chain_world().ran) out.push_back(run.op.substr(6));
    result_ = floats_of(executor.output("y"));
    return out;
  }
  // Those of one layer.
  std::vector<std::string> chosen() {
    tuned();
    std::vector<std::string> out = launched();
    EXPECT_EQ(out.size() % 2, 0u);
    const std::vector<std::string> first(out.begin(), out.begin() + out.size() / 2);
    EXPECT_EQ(first, std::vector<std::string>(out.begin() + out.size() / 2, out.end()));
    return first;
  }

  std::unique_ptr<Device> device_ = std::make_unique<VirtualTimeCpu>();
  std::shared_ptr<Engine> engine_;
  TuneReport report_;
  std::vector<float> result_;
};

TEST_F(TuneFusionTest, PlainStepsWinWhereTheyAreFastest) {
  EXPECT_THAT(chosen(), ElementsAre("o", "norm", "up", "act"));
  ASSERT_EQ(engine_->devices[0].choices.size(), 1u) << "norm, which fused steps share";
  EXPECT_EQ(engine_->devices[0].choices.begin()->second.kernel, "chain_norm");
}

TEST_F(TuneFusionTest, TheFirstPairWins) {
  cost("chain_a", 90);
  EXPECT_THAT(chosen(), ElementsAre("a", "norm", "up", "act"));
}

TEST_F(TuneFusionTest, TheSecondPairWins) {
  cost("chain_g", 210);
  EXPECT_THAT(chosen(), ElementsAre("o", "norm", "g"));
}

TEST_F(TuneFusionTest, BothPairsWin) {
  cost("chain_a", 90);
  cost("chain_g", 210);
  EXPECT_THAT(chosen(), ElementsAre("a", "norm", "g"));
}

TEST_F(TuneFusionTest, AllFourAsOneSequenceWin) {
  cost("chain_ag", 180);
  EXPECT_THAT(chosen(), ElementsAre("a", "ag"));
  const std::vector<float> fused = result_;
  engine_->devices.clear();
  EXPECT_THAT(launched(), testing::SizeIs(8));
  EXPECT_EQ(fused, result_);
}

TEST_F(TuneFusionTest, LessThanHalfAPercentIsNoWin) {
  cost("chain_a", 99);
  EXPECT_THAT(chosen(), ElementsAre("o", "norm", "up", "act"));
  cost("chain_a", 97);
  EXPECT_THAT(chosen(), ElementsAre("a", "norm", "up", "act"));
}

// By times alone AG would win with 270 us.
TEST_F(TuneFusionTest, WhatRunsBeforeAKernelCounts) {
  cost("chain_a", 90);
  cost("chain_ag", 180);
  EXPECT_THAT(chosen(), ElementsAre("a", "ag"));
  chain_world().behind[{"chain_a", "chain_ag"}] = 100;
  EXPECT_THAT(chosen(), ElementsAre("a", "norm", "up", "act"));
  // And alone A would lose, with 150 us for 120.
  cost("chain_a", 130);
  chain_world().behind[{"chain_a", "chain_norm"}] = -50;
  EXPECT_THAT(chosen(), ElementsAre("a", "norm", "up", "act"));
}

TEST_F(TuneFusionTest, RoundsTakeALayersWeightsTogether) {
  tuned(3);
  std::set<std::pair<float, float>> pairs;
  float o = 0;
  for (const ChainRun& run : chain_world().ran) {
    if (run.op == "chain_o" || run.op == "chain_a") o = run.weight;
    if (run.op == "chain_up" || run.op == "chain_g" || run.op == "chain_ag") {
      pairs.insert({o, run.weight});
    }
  }
  EXPECT_EQ(pairs.size(), 3u) << "each layer's o with its own up";
}

// The pair behind the layers runs fused with them: its 30 us count.
TEST_F(TuneFusionTest, AChoiceHoldsForAllGroups) {
  cost("chain_ag", 198);  // 328 us: 12 less a layer
  tuned(5, 1);
  EXPECT_EQ(launched().size(), 5u * 2 + 2);
  EXPECT_EQ(chain_world().ran.back().op, "chain_norm");
  EXPECT_EQ(chain_world().ran[10].op, "chain_a");
  tuned(2, 1);
  EXPECT_EQ(launched().size(), 2u * 4 + 2);
}

TEST_F(TuneFusionTest, TheReportHasEveryTiling) {
  cost("chain_g", 210);
  tuned();
  const Json& group = report_.details.back();
  EXPECT_EQ(group["in_place"], "chain_o + chain_norm + chain_up + chain_act");
  EXPECT_EQ(group["layers"], 2);
  ASSERT_EQ(group["tilings"].size(), 5u);
  EXPECT_EQ(group["tilings"][0]["runs"], group["in_place"]);
  for (const Json& tiling : group["tilings"]) EXPECT_GT(tiling["us"], 300);
  EXPECT_EQ(group["tilings"][4]["fused"].size(), 2u);
  EXPECT_EQ(group["winner"], "chain_o + chain_norm + chain_g");
  EXPECT_EQ(report_.descriptors, 7);
  EXPECT_EQ(report_.timed, 4 + 5) << "norm and three fused kernels, and the tilings";
}

TEST_F(TuneFusionTest, AWarmCacheTimesNothing) {
  cost("chain_ag", 180);
  TimingCache cache;
  const DeviceSection first = tuned(2, 0, &cache);
  ScratchDirectory dir;
  cache.save(dir / "cache");
  TimingCache read = TimingCache::load(dir / "cache");
  chain_world().ran.clear();
  EXPECT_EQ(tuned(2, 0, &read).choices, first.choices);
  EXPECT_TRUE(chain_world().ran.empty()) << "a kernel ran";
  EXPECT_EQ(report_.timed, 0);
  EXPECT_EQ(report_.cached, 9);
  EXPECT_FALSE(read.changed());

  // Tilings are known under keys of their own: without them, and without time, all stays plain.
  EXPECT_THAT(read_file(dir / "cache"), HasSubstr("fused steps in place v1 chain_a + chain_ag | "));
  TimingCache less = without_sequences(read);
  EXPECT_EQ(less.size(), 4u);
  EXPECT_EQ(tuned(2, 0, &less, 0).choices.size(), 1u);
  EXPECT_THAT(launched(), testing::SizeIs(8));
  EXPECT_EQ(report_.timed, 0);
}

TEST_F(TuneFusionTest, WithoutBudgetAllStaysPlain) {
  cost("chain_ag", 180);
  EXPECT_TRUE(tuned(2, 0, nullptr, 0).choices.empty());
  EXPECT_THAT(launched(), testing::SizeIs(8));
}

TEST_F(TuneFusionTest, AKernelThatThrowsIsNoProposal) {
  cost("chain_a", 90);
  cost("chain_ag", 180);
  chain_world().throws = {"", "chain_ag"};
  tuned();
  chain_world().throws = {};
  EXPECT_THAT(launched(), testing::SizeIs(8));
  EXPECT_EQ(report_.details[7]["winner"], "chain_a + chain_norm") << "what is left is two groups";
  EXPECT_EQ(report_.details[8]["winner"], "chain_up + chain_act");
}

// G alone is a proposal; behind norm it throws, and what fails is not A.
TEST_F(TuneFusionTest, ASequenceThatThrowsIsNotTakenNorTriedAgain) {
  cost("chain_a", 90);
  cost("chain_g", 150);
  chain_world().throws = {"chain_norm", "chain_g"};
  TimingCache cache;
  const DeviceSection first = tuned(2, 0, &cache);
  EXPECT_THAT(report_.details.back().dump(), HasSubstr("chain kernel fell over"));
  EXPECT_EQ(report_.details.back()["winner"], "chain_a + chain_norm + chain_up + chain_act");
  EXPECT_EQ(report_.timed, 4 + 3);
  chain_world().ran.clear();
  EXPECT_EQ(tuned(2, 0, &cache).choices, first.choices);
  EXPECT_TRUE(chain_world().ran.empty());
  EXPECT_EQ(report_.timed, 0);

  // Where plain steps fail there is nothing to compare with.
  chain_world().throws = {"chain_norm", "chain_up"};
  tuned();
  EXPECT_EQ(report_.details.back()["winner"], report_.details.back()["in_place"]);
  EXPECT_EQ(report_.timed, 4);
}

// Gives out so many buffers.
struct SmallCpu final : VirtualTimeCpu {
  std::byte* allocate(size_t size) override {
    if (left-- == 0 && bare) throw std::bad_alloc();
    if (left == -1) fail(ErrorCode::kOutOfMemory, "test", "no memory");
    return VirtualTimeCpu::allocate(size);
  }
  int left = 1000;
  bool bare = false;  // throws what the language does
};

TEST_F(TuneFusionTest, WhatDoesNotFitStaysPlain) {
  cost("chain_ag", 180);
  device_ = std::make_unique<SmallCpu>();
  auto& left = static_cast<SmallCpu&>(*device_).left;
  tuned();
  const int used = 1000 - left;
  EXPECT_EQ(report_.details.back()["winner"], "chain_a + chain_ag");
  left = used - 1;
  tuned();
  EXPECT_EQ(report_.details.back()["winner"], report_.details.back()["in_place"]);
  EXPECT_THAT(report_.details.back()["note"].get<std::string>(), HasSubstr("no memory"));
  static_cast<SmallCpu&>(*device_).bare = true;
  left = used - 1;
  tuned();
  EXPECT_THAT(report_.details.back()["note"].get<std::string>(), HasSubstr("bad_alloc"));
  EXPECT_EQ(report_.stopped, "");
}

// Knows how much memory it gave out at most.
struct CountingCpu final : VirtualTimeCpu {
  std::byte* allocate(size_t size) override {
    held += size;
    most = std::max(most, held);
    return VirtualTimeCpu::allocate(size);
  }
  void release(std::byte* data, size_t size) noexcept override {
    held -= size;
    VirtualTimeCpu::release(data, size);
  }
  size_t held = 0, most = 0;
};

// With their times known, kernels take no memory.
TEST_F(TuneFusionTest, MemoryOfKernelsIsFreeForSequences) {
  const auto most = [&](TimingCache& cache) {
    device_ = std::make_unique<CountingCpu>();
    tuned(2, 0, &cache);
    return static_cast<CountingCpu&>(*device_).most;
  };
  TimingCache all;
  const size_t cold = most(all);
  TimingCache kernels = without_sequences(all);
  EXPECT_EQ(most(kernels), cold);
  EXPECT_EQ(report_.timed, 5);
}

// Works no more once a kernel fell over.
struct FragileCpu final : VirtualTimeCpu {
  void copy_out(std::byte* dst, const std::byte* src, size_t size, Stream& stream) override {
    if (chain_world().fell) fail(ErrorCode::kInternal, "test", "illegal access");
    VirtualTimeCpu::copy_out(dst, src, size, stream);
  }
};

TEST_F(TuneFusionTest, ASequenceThatBreaksTheDeviceEndsTuning) {
  cost("chain_g", 150);
  chain_world().throws = {"chain_norm", "chain_g"};
  device_ = std::make_unique<FragileCpu>();
  TimingCache cache;
  tuned(2, 0, &cache);
  EXPECT_THAT(report_.stopped, HasSubstr("chain_o + chain_norm + chain_g"));
  EXPECT_EQ(engine_->devices[0].choices.size(), 1u) << "what was measured stands";
  // The next build does not try it again.
  chain_world().fell = false;
  chain_world().throws = {"chain_a", "nothing"};
  tuned(2, 0, &cache);
  EXPECT_EQ(report_.stopped, "");
  EXPECT_EQ(report_.details.back()["winner"], "chain_a + chain_norm + chain_g");
}

// In invariant mode binding looks up choices of its own, of kernels that are invariant.
TEST_F(TuneFusionTest, InvariantModeHasTilingsOfItsOwn) {
  ExecutorOptions invariant;
  invariant.selection.invariant = true;
  cost("chain_ag", 180);
  for (const auto& [desc, choice] : tuned().choices) {
    EXPECT_FALSE(desc.ends_with(" invariant")) << desc;
  }
  EXPECT_THAT(launched(invariant), testing::IsEmpty()) << "the reference runs";

  chain_world().steady = true;
  cost("chain_ag", 260);
  for (const char* op : {"o", "norm", "up", "act", "a", "g", "ag"}) {
    cost(fmt::format("chain_{}_steady", op), 1000);
  }
  tuned(1);
  EXPECT_THAT(launched(), ElementsAre("o", "norm", "up", "act"));
  EXPECT_THAT(launched(invariant), ElementsAre("a_steady", "ag_steady"));
}

}  // namespace tune_fusion_test
}  // namespace ingot
