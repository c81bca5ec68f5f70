#include "loaders/hf_config.h"

#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

RopeConfig rope(const char* text, std::string_view layer_type = {}) {
  return read_rope_config(parse_json(text, "test", "c.json"), "c.json", layer_type);
}

TEST(RopeConfigTest, BothStylesAgree) {
  const char* older = R"({"rope_theta":500000.0,"rope_scaling":{"factor":8.0,"rope_type":"llama3",
    "low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":64}})";
  const char* newer = R"({"rope_parameters":{"rope_theta":500000.0,"factor":8.0,
    "rope_type":"llama3","low_freq_factor":1.0,"high_freq_factor":4.0,
    "original_max_position_embeddings":64}})";
  for (const char* text : {older, newer}) {
    const RopeConfig config = rope(text);
    EXPECT_EQ(config.theta, 500000.0);
    EXPECT_EQ(config.type, "llama3");
    EXPECT_EQ(config.factor, 8.0);
    EXPECT_EQ(config.original_max_position, 64);
  }
}

TEST(RopeConfigTest, Defaults) {
  const RopeConfig config = rope(R"({"rope_scaling":null})");
  EXPECT_EQ(config.theta, 10000.0);
  EXPECT_EQ(config.type, "default");
  EXPECT_EQ(rope(R"({"rope_scaling":{"type":"su"}})").type, "longrope");
  EXPECT_EQ(rope(R"({"rope_scaling":{"type":"linear","factor":2}})").factor, 2.0);
  EXPECT_EQ(rope(R"({"partial_rotary_factor":0.5})").partial_rotary_factor, 0.5);
  for (const char* lacking : {R"({"rope_scaling":{"type":"linear"}})",
                              R"({"rope_scaling":{"type":"dynamic","factor":null}})",
                              R"({"rope_parameters":{"rope_type":"yarn"}})"}) {
    expect_error([&] { rope(lacking); }, ErrorCode::kCorrupt, {"c.json", "factor", "is missing"});
  }
  expect_error(
      [&] {
        rope(R"({"rope_scaling":{"type":"llama3","factor":8,"low_freq_factor":1,
                                 "original_max_position_embeddings":8192}})");
      },
      ErrorCode::kCorrupt, {"rope llama3: high_freq_factor"});
}

TEST(RopeConfigTest, PerLayerType) {
  const char* text = R"({"rope_parameters":{"sliding_attention":{"rope_theta":10000.0},
    "full_attention":{"rope_theta":1e6,"rope_type":"linear","factor":8}}})";
  EXPECT_EQ(rope(text, "sliding_attention").theta, 10000.0);
  EXPECT_EQ(rope(text, "full_attention").theta, 1e6);
  EXPECT_EQ(rope(text, "full_attention").type, "linear");
}

// No pair is lost where the share of a head was made of a number of dimensions.
TEST(RopeConfigTest, RotatedDimensions) {
  RopeConfig rope;
  EXPECT_EQ(rotary_dim(rope, 64), 64);
  rope.partial_rotary_factor = 0.25;
  EXPECT_EQ(rotary_dim(rope, 80), 20);
  EXPECT_EQ(rotary_dim(rope, 50), 12) << "whole ones";
  for (int64_t dim = 2; dim <= 512; dim += 2) {
    for (int64_t rotated = 2; rotated <= dim; rotated += 2) {
      rope.partial_rotary_factor = static_cast<double>(rotated) / static_cast<double>(dim);
      ASSERT_EQ(rotary_dim(rope, dim), rotated) << dim;
    }
  }
}

TEST(RopeConfigTest, RefusesBadValues) {
  const auto corrupt = ErrorCode::kCorrupt;
  expect_error([] { rope(R"({"rope_scaling":{"type":"ntk"}})"); }, ErrorCode::kUnsupported,
               {"c.json", "'ntk'"});
  expect_error([] { rope(R"({"rope_theta":"x"})"); }, corrupt, {"c.json", "rope_theta"});
  expect_error([] { rope(R"({"rope_theta":0})"); }, corrupt, {"rope_theta", "positive"});
  expect_error([] { rope(R"({"rope_theta":-1e300})"); }, corrupt, {"rope_theta"});
  expect_error([] { rope(R"({"rope_theta":1e-300})"); }, corrupt, {"rope_theta", "1e-6"});
  expect_error([] { rope(R"({"rope_scaling":{"factor":1e-300,"type":"linear"}})"); }, corrupt,
               {"factor", "1e-6"});
  expect_error([] { rope(R"({"rope_scaling":[]})"); }, corrupt, {"rope_scaling", "found array"});
  expect_error([] { rope(R"({"rope_scaling":{"factor":0,"type":"linear"}})"); }, corrupt,
               {"factor"});
  expect_error(
      [] {
        rope(R"({"rope_scaling":{"factor":2,"type":"llama3","low_freq_factor":1,
                                 "high_freq_factor":4}})");
      },
      corrupt, {"original_max_position_embeddings"});
}

TEST(HfConfigTest, DType) {
  auto read = [](const char* text) {
    return read_config_dtype(parse_json(text, "test", "c.json"), "c.json");
  };
  EXPECT_EQ(read("{}"), std::nullopt);
  EXPECT_EQ(read(R"({"torch_dtype":"auto"})"), std::nullopt);
  EXPECT_EQ(read(R"({"torch_dtype":"bfloat16"})"), DType::kBFloat16);
  EXPECT_EQ(read(R"({"dtype":"float16","torch_dtype":"bfloat16"})"), DType::kFloat16);
  EXPECT_EQ(read(R"({"torch_dtype":"torch.float32"})"), DType::kFloat32);
  expect_error([&] { read(R"({"dtype":"float3"})"); }, ErrorCode::kUnsupported,
               {"c.json", "float3"});
  expect_error([&] { read(R"({"dtype":3})"); }, ErrorCode::kCorrupt, {"c.json", "dtype"});
}

TEST(HfConfigTest, GenerationDefaults) {
  const Json config = parse_json(R"({"eos_token_id":2,"bos_token_id":1})", "t", "c");
  EXPECT_EQ(read_generation_defaults(Json(), config, "g", "c.json").eos_ids,
            (std::vector<int64_t>{2}));
  const Json generation =
      parse_json(R"({"eos_token_id":[7,8],"top_p":0.9,"top_k":null})", "t", "g");
  const GenerationDefaults both = read_generation_defaults(generation, config, "g", "c.json");
  EXPECT_EQ(both.eos_ids, (std::vector<int64_t>{7, 8}));
  EXPECT_EQ(both.bos_id, 1);
  EXPECT_EQ(both.top_p, 0.9);
  EXPECT_EQ(both.top_k, std::nullopt);
  // The vocabulary bounds top_k.
  const Json sized = parse_json(R"({"vocab_size":50})", "t", "c");
  const Json top = parse_json(R"({"top_k":51})", "t", "g");
  EXPECT_EQ(read_generation_defaults(top, config, "g", "c.json").top_k, 51);
  expect_error([&] { read_generation_defaults(top, sized, "g.json", "c.json"); },
               ErrorCode::kCorrupt, {"g.json", "'top_k'", "0 to 50", "found 51"});
  // And end tokens, of either file.
  const Json end = parse_json(R"({"eos_token_id":[3,50]})", "t", "g");
  const std::vector<std::string> says = {"'eos_token_id'", "0 to 49", "found 50"};
  EXPECT_EQ(read_generation_defaults(end, config, "g.json", "c.json").eos_ids.size(), 2u);
  expect_error([&] { read_generation_defaults(end, sized, "g.json", "c.json"); },
               ErrorCode::kCorrupt, {"g.json", says[0], says[1], says[2]});
  const Json both_in_one = parse_json(R"({"vocab_size":50,"eos_token_id":50})", "t", "c");
  expect_error([&] { read_generation_defaults(Json(), both_in_one, "g.json", "c.json"); },
               ErrorCode::kCorrupt, {"c.json", says[0], says[1], says[2]});
  const Json bad = parse_json(R"({"eos_token_id":"x"})", "t", "g");
  expect_error([&] { read_generation_defaults(bad, config, "g.json", "c.json"); },
               ErrorCode::kCorrupt, {"g.json", "eos_token_id"});
}

TEST(HfConfigTest, ManyKeysStayFast) {
  // More keys than any config has: refused, not searched through quadratically.
  std::string text = "{";
  for (int i = 0; i < 400'000; ++i) text += fmt::format("{}\"k{}\":0", i ? "," : "", i);
  text += "}";
  expect_error([&] { parse_json(text, "test", "big.json"); }, ErrorCode::kCorrupt,
               {"big.json", "keys"});
}

}  // namespace
}  // namespace ingot
