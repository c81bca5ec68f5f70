#include "capi/model_loader.h"

#include <gtest/gtest.h>

#include <cstdlib>

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

}  // namespace model_loader_test
}  // namespace ingot
