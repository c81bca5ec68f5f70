// ONNX files to engines: profiles, and what an engine says of its inputs. Numbers are checked
// against ONNX Runtime by tests/onnx.
#include "capi/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "runtime/text_assets.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

using testing::HasSubstr;

std::string seed_path(const std::string& name) {
  return std::string(INGOT_TEST_DATA) + "/../fuzz/corpus/onnx/" + name + ".onnx";
}

// The message of the Error that building ends in.
std::string refusal(const std::string& path, const ShapeProfile& profile) {
  try {
    build_network(path, {.profile = profile, .contents = {}, .compile = {}});
  } catch (const Error& error) {
    return error.what();
  }
  return "built";
}

TEST(NetworkTest, EngineDescribesItself) {
  ScratchDirectory dir;
  const auto built = build_network(seed_path("cnn"), {});
  save_engine(*built, dir / "cnn.engine");
  const auto engine = load_engine(dir / "cnn.engine");
  ASSERT_TRUE(is_network(*engine));
  EXPECT_EQ(engine->extra("tokenizer"), nullptr);
  const NetworkSignature signature = network_signature(*engine, "cnn.engine");
  ASSERT_EQ(signature.inputs.size(), 1u);
  EXPECT_EQ(signature.inputs[0].name, "x");
  EXPECT_EQ(signature.inputs[0].range.min, signature.inputs[0].range.max);
  EXPECT_EQ(signature.inputs[0].range.max, evaluate(signature.inputs[0].type.shape, {}));
  EXPECT_EQ(signature.outputs, std::vector<std::string>{"y"});
  EXPECT_THAT([&] { engine_text_assets(*engine, "cnn.engine"); },
              testing::ThrowsMessage<Error>(HasSubstr("cnn.engine: expected a language model")));
}

TEST(NetworkTest, DescriptionsThatDoNotFitThePlanAreRefused) {
  const auto good = build_network(seed_path("cnn"), {});
  const Json description = parse_json(good->extras.at("network"), "test", "network");
  const std::vector<void (*)(Json&)> forgeries = {
      [](Json& j) { j["inputs"][0]["value"] = "nothing"; },
      [](Json& j) { j["inputs"][0]["value"] = "y"; },
      [](Json& j) {
        j["inputs"][0]["min"] = {-1, 3, 8, 8};
      },
      [](Json& j) { j["inputs"][0]["max"] = {1}; },
      [](Json& j) {
        j["inputs"][0]["opt"] = {1 << 30, 1 << 30, 1 << 30, 1 << 30};
      },
      [](Json& j) { j["inputs"].push_back(j["inputs"][0]); },
      [](Json& j) { j["outputs"] = Json::array(); },
      [](Json& j) { j["inputs"] = "x"; },
      [](Json& j) { j = Json::array(); },
  };
  for (size_t i = 0; i < forgeries.size(); ++i) {
    Json json = description;
    forgeries[i](json);
    Engine engine = *good;
    engine.extras["network"] = json.dump();
    EXPECT_THROW(network_signature(engine, "forged"), Error) << i;
  }
  Engine text = *good;
  text.extras.erase("network");
  EXPECT_THAT(
      [&] { network_signature(text, "llm.engine"); },
      testing::ThrowsMessage<Error>(HasSubstr("llm.engine: expected the engine of a network")));
}

TEST(NetworkTest, ProfilesAreCheckedAgainstTheModel) {
  const auto good = build_network(seed_path("cnn"), {});
  const Shape fixed = network_signature(*good, "cnn").inputs[0].range.max;
  Shape wrong = fixed;
  wrong[1] += 1;
  EXPECT_THAT(refusal(seed_path("cnn"), {{"x", {fixed, fixed, wrong}}}),
              HasSubstr("profile of input 'x'"));
  EXPECT_THAT(refusal(seed_path("cnn"), {{"z", {fixed, fixed, fixed}}}),
              HasSubstr("inputs are 'x'"));
  EXPECT_THAT(refusal(seed_path("cnn"), {{"x", {{1}, {1}, {1}}}}), HasSubstr("expected 4 sizes"));
  EXPECT_EQ(refusal(seed_path("cnn"), {{"x", {fixed, fixed, fixed}}}), "built");
}

}  // namespace
}  // namespace ingot
