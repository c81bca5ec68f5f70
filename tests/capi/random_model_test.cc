// Engines of random weights: a seed in place of bytes.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "capi/model_loader.h"
#include "engine/plan_check.h"
#include "models/contract/presets.h"
#include "runtime/decoder_session.h"
#include "runtime/text_assets.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace random_model_test {

constexpr int32_t kPrompt[] = {1, 2, 3, 40000};

std::shared_ptr<Engine> build(const std::string& name, std::optional<DType> dtype = {}) {
  LoadOptions options;
  options.tune = false;
  options.build.dtype = dtype;
  return build_engine(name, options, nullptr, nullptr);
}

std::vector<float> logits(const std::shared_ptr<const Engine>& engine) {
  const auto device = make_cpu_device(2);
  DecoderSession session(engine, *device, 32, 8);
  return session.forward(kPrompt, false);
}

TEST(RandomModel, EngineIsSmallAndRunsAlikeEachTime) {
  const ScratchDirectory folder;
  const auto built = build("random:smollm2-135m");
  save_engine(*built, folder / "small.engine");
  EXPECT_LT(std::filesystem::file_size(folder / "small.engine"), 1u << 20);

  const auto loaded = load_engine(folder / "small.engine");
  const std::vector<float> first = logits(loaded);
  EXPECT_EQ(first.size(), 49152u);
  double squares = 0;
  for (float x : first) {
    ASSERT_TRUE(std::isfinite(x));
    squares += static_cast<double>(x) * x;
  }
  EXPECT_GT(squares, 0);
  EXPECT_EQ(logits(loaded), first);
  EXPECT_EQ(logits(built), first) << "before it was saved";
  EXPECT_EQ(logits(build("random:smollm2-135m")), first) << "built anew";
}

TEST(RandomModel, SameSeedInEveryType) {
  const auto wide = build("random:smollm2-135m", DType::kFloat32);
  const auto narrow = build("random:smollm2-135m");
  ASSERT_EQ(wide->plan.tensors.size(), narrow->plan.tensors.size());
  int random = 0;
  for (size_t i = 0; i < wide->plan.tensors.size(); ++i) {
    EXPECT_EQ(wide->plan.tensors[i].random, narrow->plan.tensors[i].random);
    random += wide->plan.tensors[i].random.has_value();
  }
  EXPECT_EQ(random, 30 * 9 + 2);
  EXPECT_EQ(wide->plan.metadata.at("activation_dtype"), "float32");
  EXPECT_EQ(narrow->plan.metadata.at("activation_dtype"), "bfloat16");
}

// Widest and deepest of them: graphs, passes and plans do without bytes.
TEST(RandomModel, EveryPresetCompiles) {
  ASSERT_GE(presets().size(), 8u);
  for (const Preset& preset : presets()) {
    const auto engine = build(std::string(kRandomPrefix) + std::string(preset.name));
    double elements = 0;
    for (const PlanTensor& tensor : engine->plan.tensors) {
      elements += static_cast<double>(element_count(tensor.shape));
    }
    EXPECT_NEAR(elements * 1e-9, preset.billions, 0.01) << preset.name;
    check_plan_types(engine->plan, engine->tensors);
  }
}

// 30 seconds in 1500 frames: no whole number of pages.
TEST(RandomModel, AnEncoderHearsItsLongestInput) {
  const auto device = make_cpu_device(2);
  DecoderSession session(build("random:whisper-tiny"), *device, 32, 8);
  const EncoderHalf& encoder = *session.plan().encoder;
  ASSERT_EQ(encoder.max_frames, 1500);
  std::vector<float> features(static_cast<size_t>(1500 * encoder.feature_rows) * 80);
  for (size_t i = 0; i < features.size(); ++i) features[i] = static_cast<float>(i % 23) / 11 - 1;
  const std::vector<float> hidden = session.encode(features);
  EXPECT_EQ(hidden.size(), 1500u * 384);
  const auto finite = [](float x) { return std::isfinite(x); };
  EXPECT_TRUE(std::all_of(hidden.begin(), hidden.end(), finite));
  const std::vector<float> logits = session.forward(std::vector<int32_t>{50258, 7, 9}, false);
  EXPECT_EQ(logits.size(), 51865u);
  EXPECT_TRUE(std::all_of(logits.begin(), logits.end(), finite));
}

TEST(RandomModel, UnknownPresetListsThem) {
  try {
    build("random:gpt-9");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    for (const Preset& preset : presets()) {
      EXPECT_THAT(error.what(), testing::HasSubstr(std::string(preset.name)));
    }
  }
}

TEST(RandomModel, HasNoTokenizerAndSaysWhy) {
  const TextAssets assets = engine_text_assets(*build("random:smollm2-135m"), "small.engine");
  try {
    assets.require_tokenizer();
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("its weights are random"));
    EXPECT_THAT(error.what(), testing::HasSubstr("ingot bench"));
  }
}

}  // namespace random_model_test
}  // namespace ingot
