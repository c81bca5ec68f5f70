// Golden models through the whole house, and their plans as text.
#include "capi/golden.h"

#include <cstdlib>
#include <sstream>

#include "engine/plan.h"
#include "models/contract/model_def.h"
#include "runtime/decoder_session.h"
#include "tests/contracts/fake_device.h"
#include "tests/models/golden_models.h"

namespace ingot {
namespace {

class GoldenTest : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Device> device_ = make_cpu_device(2);
};

TEST_P(GoldenTest, Float32AndBFloat16Pass) {
  for (DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    GoldenOptions options;
    options.dtype = dtype;
    const GoldenResult result = run_golden(golden_path(GetParam()), options, *device_);
    EXPECT_EQ(result.status, "pass") << dtype_name(dtype) << ": " << result.reason;
    EXPECT_EQ(result.name, GetParam());
    EXPECT_GT(result.greedy_total, 0);
  }
}

TEST_P(GoldenTest, ReferenceKernelsPass) {
  GoldenOptions options;
  options.reference = true;
  const GoldenResult result = run_golden(golden_path(GetParam()), options, *device_);
  EXPECT_EQ(result.status, "pass") << result.reason;
  EXPECT_THAT(result.kernels, testing::ElementsAre("reference"));
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenTest,
                         testing::Values("llama-mha", "llama3-gqa-rope", "qwen2-tied",
                                         "mistral-swa"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// What a device with memory of its own has not run says nothing about it.
TEST(GoldenCheckTest, OnlyReferencesOnAGpuAreAFailure) {
  const FakeDevice gpu;
  EXPECT_TRUE(only_references_ran({"reference"}, gpu));
  EXPECT_FALSE(only_references_ran({"linear_gemv", "reference"}, gpu));
  EXPECT_FALSE(only_references_ran({"reference"}, *make_cpu_device(1)));
}

// Without a stated deviation the logits' own serves; without logits there is nothing to compare.
TEST(GoldenCheckTest, DeviationAndLogitsMayBeAbsent) {
  auto device = make_cpu_device(1);
  ScratchDirectory dir;
  for (const char* file : {"config.json", "model.safetensors", "golden.safetensors"}) {
    std::filesystem::copy_file(golden_path("llama-mha") + "/" + file, dir / file);
  }
  dir.write("golden.json", "{}");
  const GoldenResult own = run_golden(dir.path(), {}, *device);
  EXPECT_EQ(own.status, "pass") << own.reason;
  EXPECT_TRUE(own.measured);
  const GoldenResult stated = run_golden(golden_path("llama-mha"), {}, *device);
  EXPECT_NEAR(own.max_error, stated.max_error, 0.1 * stated.max_error);
  std::filesystem::remove(dir / "golden.safetensors");
  std::filesystem::copy_file(dir / "model.safetensors", dir / "golden.safetensors");
  const GoldenResult none = run_golden(dir.path(), {}, *device);
  EXPECT_EQ(none.status, "unsupported") << none.reason;
  EXPECT_FALSE(none.measured);
}

TEST(GoldenCheckTest, DamageIsSeen) {
  auto device = make_cpu_device(1);
  ScratchDirectory dir;
  for (const char* file :
       {"config.json", "model.safetensors", "golden.json", "golden.safetensors"}) {
    std::filesystem::copy_file(golden_path("llama-mha") + "/" + file, dir / file);
  }
  EXPECT_TRUE(is_golden_case(dir.path()));
  std::string config = read_file(dir / "config.json");
  Json changed = parse_json(config, "test", "config");
  changed["rope_theta"] = 5000.0;
  dir.write("config.json", changed.dump());
  EXPECT_EQ(run_golden(dir.path(), {}, *device).status, "fail");
  changed["architectures"] = {"NoSuchForCausalLM"};
  dir.write("config.json", changed.dump());
  EXPECT_EQ(run_golden(dir.path(), {}, *device).status, "unsupported");
}

// bfloat16 asked for, float32 computed: closer than bfloat16 can be, and that fails; so does
// bfloat16 where float32 is asked for.
TEST_P(GoldenTest, OtherArithmeticThanAskedForFails) {
  GoldenOptions options;
  options.dtype = DType::kBFloat16;
  options.arithmetic = DType::kFloat32;
  const GoldenResult result = run_golden(golden_path(GetParam()), options, *device_);
  EXPECT_EQ(result.status, "fail");
  EXPECT_THAT(result.reason, testing::HasSubstr("bfloat16 arithmetic did not run"));
  EXPECT_LT(result.rms_error, 1e-3);
  options.arithmetic = DType::kBFloat16;
  EXPECT_GT(run_golden(golden_path(GetParam()), options, *device_).rms_error, 1e-3);
  options.dtype = DType::kFloat32;
  EXPECT_EQ(run_golden(golden_path(GetParam()), options, *device_).status, "fail");
}

std::vector<float> logits(const std::string& model) {
  auto device = make_cpu_device(1);
  LoadOptions options;
  options.tune = false;
  options.build.dtype = DType::kFloat32;
  DecoderSession session(build_engine(model, options, device.get(), nullptr), *device, 64, 64);
  const std::vector<int32_t> ids = {1, 17, 300, 42, 42, 7, 511, 0};
  return session.forward(ids, true);
}

TEST(ModelSourcesTest, EverySourceGivesTheSameLogits) {
  const struct {
    const char* golden;
    const char* gguf;
    bool permute;
  } kCases[] = {{"llama-mha", "llama", true}, {"qwen2-tied", "qwen2", false}};
  for (const auto& c : kCases) {
    ScratchDirectory dir;
    const auto expected = logits(golden_path(c.golden));
    write_golden_gguf(golden_path(c.golden), dir / "m.gguf", c.gguf, c.permute);
    const auto gguf = logits(dir / "m.gguf");
    convert_model(open_model_source(golden_path(c.golden)), {}, dir / "checkpoint");
    EXPECT_EQ(logits(dir / "checkpoint"), expected) << c.golden;
    ASSERT_EQ(gguf.size(), expected.size());
    // GGUF states epsilon and theta in float32.
    for (size_t i = 0; i < gguf.size(); ++i) ASSERT_NEAR(gguf[i], expected[i], 1e-4) << c.golden;
  }
}

// The plan of each model as text: a refactoring shows here exactly what it changed.
TEST(GoldenPlanTest, PlansAreAsWritten) {
  for (const std::string golden : {"llama-mha", "qwen2-tied"}) {
    LoadOptions options;
    options.tune = false;
    const auto engine = build_engine(golden_path(golden), options, nullptr, nullptr);
    const std::string path = std::string(INGOT_TEST_DATA) + "/plans/" + golden + ".txt";
    const std::string found = plan_text(engine->plan);
    if (std::getenv("INGOT_UPDATE_GOLDEN")) {
      std::filesystem::create_directories(std::filesystem::path(path).parent_path());
      std::ofstream(path) << found;
    }
    EXPECT_EQ(found, read_file(path)) << "INGOT_UPDATE_GOLDEN=1 writes it anew";
  }
}

int arena_bound(const std::string& file) {
  const std::string script = std::string(INGOT_TEST_DATA) + "/../../tools/arena_bound.py";
  return std::system(("python3 " + script + " " + file + " > /dev/null 2>&1").c_str());
}

// The printed memory plan, judged by a script that shares nothing with the planner.
TEST(ArenaBoundTest, PlansOfRealModelsAreTight) {
  auto device = make_cpu_device(1);
  LoadOptions options;
  options.tune = false;
  ScratchDirectory dir;
  for (const std::string golden : {"llama-mha", "qwen2-tied", "mistral-swa"}) {
    const auto engine = build_engine(golden_path(golden), options, nullptr, nullptr);
    const std::string text = Executor(engine, *device).memory().text;
    EXPECT_EQ(arena_bound(dir.write("plan", text)), 0) << golden << "\n" << text;
    // Items on top of each other are seen.
    std::istringstream lines(text);
    std::string moved;
    for (std::string line; std::getline(lines, line);) {
      const bool header = line.starts_with("arena ");
      moved += (header ? line : line.substr(0, line.rfind(' ')) + " 0") + "\n";
    }
    EXPECT_NE(arena_bound(dir.write("moved", moved)), 0);
    EXPECT_NE(arena_bound(dir.write("none", "nothing here")), 0);
  }
}

}  // namespace
}  // namespace ingot
