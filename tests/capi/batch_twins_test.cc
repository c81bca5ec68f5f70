// Sequences of many lengths served together, against each of them alone: to the bit in invariant
// mode, whatever the batch, chunks, graphs, overlap and prefix cache; within the table of
// tolerances otherwise. On the CPU a golden checkpoint; on a GPU 64 sequences of SmolLM2's shapes.
#include <gmock/gmock.h>

#include <cmath>

#include "base/clock.h"
#include "base/error.h"
#include "base/knobs.h"
#include "base/random.h"
#include "capi/golden.h"
#include "capi/model_loader.h"
#include "runtime/decoder_session.h"
#include "runtime/engine_runner.h"
#include "runtime/loop.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace batch_twins_test {

constexpr int64_t kAnswer = 12;  // tokens of each sequence

struct Answer {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;  // of the tokens
  std::vector<float> gaps;      // between the best logit and the next
  bool operator==(const Answer&) const = default;
};

// How a run is served.
struct Way {
  std::string name;
  bool invariant = true;
  bool alone = false;   // one after the other
  bool greedy = false;  // else every other one is drawn
  bool graphs = true;
  bool overlap = true;
  bool cached = false;  // a first quarter, whose prefixes the others find
  int64_t chunk = 0;    // most prompt tokens of a row in a step
};

class Served {
 public:
  Served(std::shared_ptr<const Engine> engine, Device& device, int64_t count, int64_t longest)
      : engine_(std::move(engine)), device_(device), count_(count), longest_(longest) {}

  std::vector<Answer> run(const Way& way) {
    set_knob("graphs", way.graphs ? "1" : "0");
    EngineRunnerOptions options;
    options.max_batch_rows = count_;
    options.max_seq_len = longest_ + kAnswer + 1;
    options.kv_pages = count_ * (kv_blocks(options.max_seq_len) + 1);
    options.executor.selection.invariant = way.invariant;
    EngineRunner runner(engine_, device_, options);
    set_knob("graphs", "1");
    LoopOptions loop_options;
    loop_options.overlap = way.overlap;
    loop_options.scheduler.prefix_cache = way.cached;
    loop_options.scheduler.max_chunk = way.chunk;
    Loop loop(runner, loop_options, clock_);
    std::vector<Answer> out;
    int64_t wave = way.alone ? 1 : way.cached ? count_ / 4 : count_;
    for (int64_t first = 0; first < count_; first += wave) {
      if (way.cached && first > 0) wave = count_ - first;
      serve(loop, way, first, std::min(wave, count_ - first), out);
    }
    stats = loop.scheduler().stats();
    kernels = runner.executor().kernels_used();
    return out;
  }

  // Standard deviation of the logits after a prompt.
  double deviation() {
    DecoderSession session(engine_, device_, longest_ + 1, longest_ + 1);
    const std::vector<float> logits = session.forward(request(0, true).prompt, false);
    double sum = 0, squares = 0;
    for (float x : logits) {
      sum += x;
      squares += static_cast<double>(x) * x;
    }
    const auto n = static_cast<double>(logits.size());
    return std::sqrt(squares / n - sum / n * (sum / n));
  }

  SchedulerStats stats;
  std::vector<std::string> kernels;

 private:
  // Lengths from 3 to `longest`; two of three begin alike.
  Request request(int64_t i, bool greedy) const {
    Request out;
    const int64_t length = 3 + (i * 37 + 61) % (longest_ - 2);
    const auto seed = static_cast<uint64_t>(i % 3 == 0 ? 100 + i : 1);
    for (uint64_t t = 0; t < static_cast<uint64_t>(length); ++t) {
      const uint64_t stream = t < 70 ? seed : 100 + static_cast<uint64_t>(i);
      out.prompt.push_back(static_cast<TokenId>(random_below(stream, t, vocab_)));
    }
    out.sampling.max_tokens = kAnswer;
    out.sampling.ignore_eos = true;
    out.sampling.logprobs = 2;
    out.sampling.temperature = greedy || i % 2 == 0 ? 0 : 0.9;
    out.sampling.seed = static_cast<uint64_t>(i);
    return out;
  }

  void serve(Loop& loop, const Way& way, int64_t first, int64_t count, std::vector<Answer>& out) {
    std::vector<std::shared_ptr<Outbox>> boxes;
    for (int64_t i = first; i < first + count; ++i) {
      boxes.push_back(loop.submit(request(i, way.greedy)));
    }
    while (loop.step()) continue;
    for (const auto& box : boxes) {
      Answer& answer = out.emplace_back();
      while (const TokenEvent* event = box->poll()) {
        const auto tokens = event->token_span();
        answer.tokens.insert(answer.tokens.end(), tokens.begin(), tokens.end());
        for (const TokenLogprobs& l : event->logprobs) {
          answer.logprobs.push_back(l.chosen);
          answer.gaps.push_back(l.top.at(0).second - l.top.at(1).second);
        }
      }
      EXPECT_EQ(answer.tokens.size(), static_cast<size_t>(kAnswer)) << way.name;
    }
  }

  std::shared_ptr<const Engine> engine_;
  Device& device_;
  int64_t count_;
  int64_t longest_;
  SteadyClock clock_;
  uint64_t vocab_ = static_cast<uint64_t>(read_decoder_plan(engine_->plan).vocab_size);
};

void expect_same(const std::vector<Answer>& found, const std::vector<Answer>& alone,
                 const std::string& name) {
  ASSERT_EQ(found.size(), alone.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].tokens, alone[i].tokens) << name << ", sequence " << i;
    EXPECT_EQ(found[i].logprobs, alone[i].logprobs) << name << ", sequence " << i << ": to the bit";
  }
}

// In invariant mode nothing but the sequence itself decides.
void compare_exactly(Served& served, const Device& device) {
  const std::vector<Answer> alone = served.run({.name = "alone", .alone = true});
  EXPECT_FALSE(only_references_ran(served.kernels, device));
  const std::vector<Way> ways = {
      {.name = "together"},
      {.name = "chunks of 24", .chunk = 24},
      {.name = "chunks of 100", .chunk = 100},
      {.name = "without graphs", .graphs = false},
      {.name = "plain order", .overlap = false},
      {.name = "cached prefixes", .cached = true},
      {.name = "cached prefixes in chunks, plain order, without graphs",
       .graphs = false,
       .overlap = false,
       .cached = true,
       .chunk = 40},
  };
  for (const Way& way : ways) {
    const Stopwatch watch;
    expect_same(served.run(way), alone, way.name);
    EXPECT_EQ(served.stats.prefix_hits > 0, way.cached) << way.name;
    std::printf("%s: %ld steps in %.0f ms\n", way.name.c_str(), long(served.stats.steps),
                watch.ms());
  }
}

// The fast kernels of each batch size: near-ties may turn, and what follows is another text. Both
// sides may lie as far from the truth as the table of capi/golden.h allows.
void compare_within(Served& served, double most, double rms) {
  const std::vector<Answer> alone =
      served.run({.name = "alone", .invariant = false, .alone = true, .greedy = true});
  const std::vector<Answer> together =
      served.run({.name = "together", .invariant = false, .greedy = true});
  const double deviation = served.deviation();
  ASSERT_GT(deviation, 0);
  double squares = 0, largest = 0;
  int64_t compared = 0, turned = 0;
  for (size_t i = 0; i < alone.size(); ++i) {
    for (size_t t = 0; t < alone[i].tokens.size(); ++t) {
      if (alone[i].tokens[t] != together[i].tokens.at(t)) {
        EXPECT_LT(alone[i].gaps[t], 2 * most * deviation) << "sequence " << i << ", token " << t;
        ++turned;
        break;
      }
      const double error = std::fabs(double{alone[i].logprobs[t]} - together[i].logprobs.at(t));
      EXPECT_LE(error, 2 * most * deviation) << "sequence " << i << ", token " << t;
      largest = std::max(largest, error);
      squares += error * error;
      ++compared;
    }
  }
  std::printf(
      "%ld tokens compared, %ld sequences turned at a tie; error / std of logits: max "
      "%.2e, rms %.2e\n",
      long(compared), long(turned), largest / deviation,
      std::sqrt(squares / double(compared)) / deviation);
  EXPECT_GT(compared, static_cast<int64_t>(alone.size()) * kAnswer / 2);
  EXPECT_LE(std::sqrt(squares / double(compared)), 2 * rms * deviation);
}

TEST(BatchTwins, CpuInvariantModeGivesTheSameBits) {
  const auto device = make_cpu_device(2);
  LoadOptions options;
  options.tune = false;
  Served served(build_engine(golden_path("llama3-gqa-rope"), options, nullptr, nullptr), *device, 8,
                110);
  compare_exactly(served, *device);
}

TEST(BatchTwins, CpuNormalModeStaysWithinTolerance) {
  const auto device = make_cpu_device(2);
  LoadOptions options;
  options.tune = false;
  Served served(build_engine(golden_path("llama3-gqa-rope"), options, nullptr, nullptr), *device, 8,
                110);
  compare_within(served, 1e-4, 1e-4);
}

class GpuTwins : public testing::Test {
 protected:
  void SetUp() override {
    try {
      device_ = open_device("cuda:0");
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
  Served serve(DType dtype) {
    LoadOptions options;
    options.tune = false;
    options.build.dtype = dtype;
    options.limits = {{"batch", 64}, {"logit_rows", 64}, {"tokens", 512}};
    return {build_engine("random:smollm2-135m", options, nullptr, nullptr), *device_, 64, 300};
  }
  std::unique_ptr<Device> device_;
};

TEST_F(GpuTwins, gpu_invariant_bfloat16_gives_the_same_bits) {
  Served served = serve(DType::kBFloat16);
  compare_exactly(served, *device_);
}

TEST_F(GpuTwins, gpu_invariant_float32_gives_the_same_bits) {
  Served served = serve(DType::kFloat32);
  compare_exactly(served, *device_);
}

TEST_F(GpuTwins, gpu_normal_bfloat16_stays_within_tolerance) {
  Served served = serve(DType::kBFloat16);
  compare_within(served, 0.5, 3e-2);
}

TEST_F(GpuTwins, gpu_normal_float16_stays_within_tolerance) {
  Served served = serve(DType::kFloat16);
  compare_within(served, 5e-2, 5e-3);
}

TEST_F(GpuTwins, gpu_normal_float32_stays_within_tolerance) {
  Served served = serve(DType::kFloat32);
  compare_within(served, 1e-4, 1e-4);
}

}  // namespace batch_twins_test
}  // namespace ingot
