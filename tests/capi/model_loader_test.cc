#include "capi/model_loader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/json.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace model_loader_test {

class ModelLoader : public testing::Test {
 protected:
  ModelLoader() { ::setenv("INGOT_CACHE_DIR", dir_.path().c_str(), 1); }
  ~ModelLoader() override { ::unsetenv("INGOT_CACHE_DIR"); }
  LoadedModel load() { return load_model(golden_path("llama-mha"), {}, *device_); }

  ScratchDirectory dir_;
  std::unique_ptr<Device> device_ = make_cpu_device(1);
};

TEST_F(ModelLoader, ASecondLoadTakesTheEngineOfTheFirst) {
  const LoadedModel first = load();
  EXPECT_TRUE(first.built);
  const LoadedModel second = load();
  EXPECT_FALSE(second.built);
  EXPECT_EQ(second.engine_path, first.engine_path);
}

TEST_F(ModelLoader, WithNoFolderForItNothingIsCached) {
  std::map<std::string, std::string> before;
  for (const char* name : {"HOME", "XDG_CACHE_HOME", "INGOT_CACHE_DIR"}) {
    if (const char* value = std::getenv(name)) before[name] = value;
    ::unsetenv(name);
  }
  for (int i = 0; i < 2; ++i) {
    const LoadedModel model = load();
    EXPECT_TRUE(model.built);
    EXPECT_EQ(model.engine_path, "");
  }
  EXPECT_EQ(load_timings().size(), 0u);
  EXPECT_FALSE(std::filesystem::exists("/timing_cache.json"));
  for (const auto& [name, value] : before) ::setenv(name.c_str(), value.c_str(), 1);
}

TEST_F(ModelLoader, BuildsSideBySideKeepEachOthersTimes) {
  TimingCache one = load_timings(), other = load_timings();
  one.put("a", 1);
  one.put("both", 2);
  other.put("b", 3);
  other.put("both", 4);
  save_timings(one);
  save_timings(other);
  const TimingCache all = load_timings();
  EXPECT_EQ(all.size(), 3u);
  EXPECT_EQ(all.find("a"), 1);
  EXPECT_EQ(all.find("b"), 3);
  EXPECT_EQ(all.find("both"), 4) << "the last one's";
}

// A file lies where the cache's folder would be.
TEST_F(ModelLoader, AnUnwritableCacheStopsNothing) {
  ::setenv("INGOT_CACHE_DIR", (dir_.write("file", "x") + "/cache").c_str(), 1);
  const LoadedModel model = load();
  EXPECT_TRUE(model.built);
  EXPECT_EQ(model.engine_path, "");
}

TEST_F(ModelLoader, ACachedEngineTunedWithOtherKernelsIsBuiltAnew) {
  const std::string path = load().engine_path;
  Engine engine = *load_engine(path);
  ASSERT_EQ(engine.devices.size(), 1u);
  ASSERT_FALSE(engine.devices[0].choices.empty());
  const auto changed = engine.devices[0].choices.begin();
  const int version = changed->second.version;
  changed->second.version = version + 1000;
  save_engine(engine, path);
  const LoadedModel again = load();
  EXPECT_TRUE(again.built);
  EXPECT_EQ(again.engine_path, path);
  EXPECT_EQ(again.engine->devices.at(0).choices.at(changed->first).version, version);
  EXPECT_FALSE(load().built);
}

// A copy of the golden model, with some values of its config changed.
ModelSource changed_model(const ScratchDirectory& dir, const Json& changes) {
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy_file(golden_path("llama-mha") + "/" + name, dir / name,
                               std::filesystem::copy_options::overwrite_existing);
  }
  Json config = parse_json(read_file(dir / "config.json"), "test", "config.json");
  config.update(changes);
  dir.write("config.json", config.dump());
  return open_buildable(dir.path());
}

TEST_F(ModelLoader, AnEngineIsNoModelToBuild) {
  const std::string path = load().engine_path;
  const auto says = [&](const auto& build) {
    expect_error(build, ErrorCode::kInvalidArgument, {path, "found an engine", "'ingot run'"});
  };
  says([&] { open_buildable(path); });
  says([&] { build_engine(path, {.tune = false}, nullptr, nullptr); });
  says([&] {
    build_engine(golden_path("llama-mha"), {.tune = false, .tokenizer_dir = path}, nullptr,
                 nullptr);
  });
  EXPECT_EQ(open_buildable(golden_path("llama-mha")).architecture, "LlamaForCausalLM");
}

TEST_F(ModelLoader, ALongerSequenceThanPositionsCountIsRefusedUnlessTheCallerLimitsIt) {
  const ScratchDirectory model;
  const auto build = [&](const SymbolValues& limits) {
    return build_engine(model.path(), {.limits = limits, .tune = false}, nullptr, nullptr);
  };
  changed_model(model, {{"max_position_embeddings", int64_t{1} << 31}});
  expect_error([&] { build({}); }, ErrorCode::kUnsupported,
               {"config.json", "'max_position_embeddings'", "at most 2147483616",
                "found 2147483648", "--max-seq-len"});
  EXPECT_EQ(build({{"max_blocks", 4}, {"kv_pages", 4}})->plan.limits.at("max_blocks"), 4);
  changed_model(model, {{"max_position_embeddings", 2147483616}});
  EXPECT_EQ(build({})->plan.limits.at("max_blocks"), (int64_t{1} << 26) - 1);
}

// A server of it would be ready and refuse each request for what the request did not say.
TEST_F(ModelLoader, SamplingDefaultsOutOfRangeAreNamed) {
  const ScratchDirectory model;
  model.write("generation_config.json", R"({"repetition_penalty": 0})");
  changed_model(model, Json::object());
  expect_error([&] { build_engine(model.path(), {.tune = false}, nullptr, nullptr); },
               ErrorCode::kCorrupt,
               {model / "generation_config.json", "'repetition_penalty'", "expected 0.001 to 1000",
                "found 0"});
}

TEST_F(ModelLoader, ABrokenTokenizerIsNamed) {
  const ScratchDirectory model;
  model.write("tokenizer.json", "{");
  changed_model(model, Json::object());
  expect_error([&] { build_engine(model.path(), {.tune = false}, nullptr, nullptr); },
               ErrorCode::kCorrupt, {model / "tokenizer.json", "byte 2"});
}

}  // namespace model_loader_test
}  // namespace ingot
