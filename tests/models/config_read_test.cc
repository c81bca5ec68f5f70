#include "models/contract/config_read.h"

#include "loaders/gguf_writer.h"
#include "models/contract/config_keys.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

ModelSource hf_source() {
  ModelSource source;
  source.config_file = "some/config.json";
  return source;
}

TEST(ConfigReaderTest, KeepsWhatWasReadAndNoMore) {
  const ModelSource source = hf_source();
  ConfigReader c(source, {{"n_embd", 64},
                          {"n_layer", 2},
                          {"num_hidden_layers", nullptr},
                          {"vocab_size", 10},
                          {"n_positions", 32},
                          {"n_head", 4},
                          {"stranger", 1},
                          {"few", {0, 3}},
                          {"scaled", true},
                          {"eps", 0.25},
                          {"cap", 30},
                          {"act", "gelu_new"},
                          {"eos_token_id", 7}});
  c.also_called("hidden_size", {"n_embd"});
  c.also_called("num_hidden_layers", {"layers", "n_layer"});
  c.also_called("max_position_embeddings", {"n_positions"});
  c.also_called("num_attention_heads", {"n_head"});
  c.decoder_sizes();
  const ConfigReader::Heads heads = c.heads();
  EXPECT_EQ(heads.kv_heads, 4);
  EXPECT_EQ(heads.head_dim, 16);
  EXPECT_EQ(c.size_or("inner", 256), 256);
  EXPECT_EQ(c.activation("act", "relu"), "gelu_tanh");
  EXPECT_TRUE(c.flag("scaled", false));
  EXPECT_EQ(c.epsilon("eps", 0.5), 0.25);
  EXPECT_EQ(c.numbers("few", 0, 3), (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(c.zero_or("cap", 0), 30);
  EXPECT_EQ(c.zero_or("no_cap", 0), 0);
  EXPECT_EQ(c.config(), Json({{"eos_token_id", 7},
                              {"hidden_size", 64},
                              {"num_hidden_layers", 2},
                              {"vocab_size", 10},
                              {"max_position_embeddings", 32},
                              {"num_attention_heads", 4},
                              {"num_key_value_heads", 4},
                              {"head_dim", 16},
                              {"inner", 256},
                              {"act", "gelu_tanh"},
                              {"scaled", true},
                              {"eps", 0.25},
                              {"few", {0, 3}},
                              {"cap", 30.0},
                              {"no_cap", 0.0}}));
}

TEST(ConfigReaderTest, FaultsNameFileKeyExpectedAndFound) {
  const ModelSource source = hf_source();
  const auto refused = [&](const Json& raw, auto&& read, ErrorCode code,
                           std::vector<std::string> parts) {
    parts.push_back("some/config.json");
    ConfigReader c(source, raw);
    expect_error([&] { read(c); }, code, parts);
  };
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  using C = ConfigReader;
  refused(Json::object(), [](C& c) { c.size("n"); }, corrupt, {"'n' is missing"});
  refused({{"n", 5}}, [](C& c) { c.size("n", 4); }, corrupt, {"'n'", "1 to 4", "found 5"});
  refused({{"n", -1}}, [](C& c) { c.count_or("n", 0); }, corrupt, {"'n'", "0 to", "found -1"});
  refused({{"n", "x"}}, [](C& c) { c.size("n"); }, corrupt, {"'n'", "integer", "string"});
  refused({{"e", 1.0}}, [](C& c) { c.epsilon("e", 0.1); }, corrupt, {"'e'", "between 0 and 1"});
  refused({{"p", 0.0}}, [](C& c) { c.positive("p", 1); }, corrupt, {"'p'", "positive"});
  refused({{"p", -1.0}}, [](C& c) { c.zero_or("p", 1); }, corrupt, {"'p'", "positive", "-1"});
  refused({{"a", "softplus"}}, [](C& c) { c.activation("a", "relu"); }, unsupported,
          {"'a'", "relu, gelu", "softplus"});
  const Json sizes = {{"hidden_size", 60},        {"num_hidden_layers", 3},
                      {"vocab_size", 8},          {"max_position_embeddings", 8},
                      {"num_attention_heads", 4}, {"num_key_value_heads", 3}};
  const auto heads = [](C& c) {
    c.decoder_sizes();
    c.heads();
  };
  refused(sizes, heads, corrupt, {"'num_key_value_heads'", "a divisor of 4", "found 3"});
  Json odd = sizes;
  odd["num_key_value_heads"] = 2;
  refused(odd, heads, corrupt, {"'head_dim'", "even", "found 15"});
  odd["num_attention_heads"] = 8;
  refused(odd, heads, corrupt, {"'num_attention_heads'", "a divisor of 60", "found 8"});
  Json types = sizes;
  types["layer_types"] = {"full_attention", "sliding_attention"};
  const auto locals = [](C& c) {
    c.decoder_sizes();
    c.local_layers([](int64_t) { return true; });
  };
  refused(types, locals, corrupt, {"'layer_types'", "3 entries", "found 2"});
  types["layer_types"].push_back("linear_attention");
  refused(types, locals, unsupported, {"'layer_types'", "linear_attention"});
}

TEST(ConfigReaderTest, WindowsAndTheirLayers) {
  const ModelSource source = hf_source();
  const auto reader = [&](Json raw) {
    raw["hidden_size"] = raw["vocab_size"] = raw["max_position_embeddings"] = 8;
    raw["num_hidden_layers"] = 3;
    auto c = std::make_unique<ConfigReader>(source, raw);
    c->decoder_sizes();
    return c;
  };
  const auto third = [](int64_t i) { return i == 2; };
  const auto own =
      reader({{"layer_types", {"sliding_attention", "full_attention", "sliding_attention"}}});
  EXPECT_EQ(own->local_layers(third), (std::vector<bool>{true, false, true}));
  EXPECT_TRUE(is_local_layer(own->config(), 2));
  EXPECT_FALSE(is_local_layer(own->config(), 1));
  EXPECT_EQ(reader(Json::object())->local_layers(third), (std::vector<bool>{false, false, true}));

  EXPECT_EQ(reader({{"sliding_window", 5}})->sliding_window(), 5);
  EXPECT_EQ(reader({{"sliding_window", nullptr}})->sliding_window(), 0);
  expect_error(
      [&] {
        reader({{"sliding_window", 0}})->sliding_window();
      },
      ErrorCode::kCorrupt, {"'sliding_window'", "1 or more, or null", "found 0"});
}

// Hugging Face's counts with a flag, a checkpoint's where it is, GGUF states none.
TEST(ConfigReaderTest, WindowsThatAreSwitchedOn) {
  ModelSource source = hf_source();
  using Layers = std::vector<bool>;
  const auto window = [&](Json raw, Layers* layers = nullptr) {
    raw["hidden_size"] = raw["vocab_size"] = raw["max_position_embeddings"] = 8;
    raw["num_hidden_layers"] = 3;
    ConfigReader c(source, raw);
    c.decoder_sizes();
    const int64_t out = c.switched_window();
    const Layers found = c.upper_window_layers();
    if (layers) *layers = found;
    return out;
  };
  Layers layers;
  EXPECT_EQ(window({{"sliding_window", 5}}, &layers), 0);
  expect_error(
      [&] {
        window({{"layer_types", {"chunked_attention", "full_attention", "full_attention"}}});
      },
      ErrorCode::kUnsupported, {"'layer_types'", "sliding_attention or full", "chunked"});
  EXPECT_EQ(layers, (Layers{false, false, false}));
  Json used = {{"sliding_window", 5}, {"use_sliding_window", true}};
  EXPECT_EQ(window(used, &layers), 5);
  EXPECT_EQ(layers, (Layers{false, false, false})) << "from layer 28 on";
  used["max_window_layers"] = 2;
  EXPECT_EQ(window(used, &layers), 5);
  EXPECT_EQ(layers, (Layers{false, false, true}));
  used["layer_types"] = {"sliding_attention", "full_attention", "full_attention"};
  window(used, &layers);
  EXPECT_EQ(layers, (Layers{true, false, false}));
  used["sliding_window"] = nullptr;
  EXPECT_EQ(window(used, &layers), 0) << "stated to be none";
  EXPECT_EQ(layers, (Layers{false, false, false}));
  used.erase("sliding_window");
  EXPECT_EQ(window(used), 4096);
  source.kind = ModelSourceKind::kCheckpoint;
  EXPECT_EQ(window({{"sliding_window", 5}}, &layers), 5);
  EXPECT_EQ(layers, (Layers{true, true, true}));
  EXPECT_EQ(window(Json::object()), 0);
}

// Each once, however often a file names it, and no more than there can be layers.
TEST(ConfigReaderTest, NamedLayersAreFew) {
  const ModelSource source = hf_source();
  Json raw = {{"hidden_size", 8},
              {"num_hidden_layers", 3},
              {"vocab_size", 8},
              {"max_position_embeddings", 8},
              {"dense", {2, 0, 2, 2}}};
  ConfigReader c(source, raw);
  c.decoder_sizes();
  EXPECT_EQ(c.layer_set("dense"), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(c.config()["dense"], (Json{0, 2}));
  raw["dense"] = std::vector<int64_t>(4097, 1);
  ConfigReader hostile(source, raw);
  hostile.decoder_sizes();
  expect_error([&] { hostile.layer_set("dense"); }, ErrorCode::kCorrupt,
               {"'dense'", "at most 4096 entries", "4097"});
  raw["dense"] = {3};
  ConfigReader outside(source, raw);
  outside.decoder_sizes();
  expect_error([&] { outside.layer_set("dense"); }, ErrorCode::kCorrupt, {"'dense'", "0 to 2"});
}

// As llama.cpp reads it.
TEST(ConfigKeysTest, AFactorWithoutATypeIsLinear) {
  const ScratchDirectory dir;
  GgufWriter writer;
  writer.add_string("general.architecture", "odd");
  writer.add_float32("odd.rope.scaling.factor", 8);
  writer.write(dir / "odd.gguf");
  Json config;
  add_gguf_rope_scaling(*GgufFile::open(dir / "odd.gguf"), config);
  EXPECT_EQ(config["rope_scaling"]["rope_type"], "linear");
  EXPECT_EQ(config["rope_scaling"]["factor"], 8);
}

// Positions are those that the models scale to; "dynamic" scales from max_position_embeddings on.
TEST(ConfigReaderTest, DynamicAndYarnRotations) {
  const ModelSource source = hf_source();
  const ConfigReader::RopeKinds kinds = {.types = {"default", "dynamic", "yarn"}};
  const auto read = [&](const Json& scaling, bool newer = false) {
    Json raw = {{"hidden_size", 64},
                {"num_attention_heads", 2},
                {"num_hidden_layers", 8},
                {"vocab_size", 8},
                {"max_position_embeddings", 64}};
    raw[newer ? "rope_parameters" : "rope_scaling"] = scaling;
    ConfigReader c(source, raw);
    c.decoder_sizes();
    c.heads();
    c.rope(kinds);
    return c.config();
  };
  const Json dynamic = read({{"type", "dynamic"}, {"factor", 2.0}});
  EXPECT_EQ(dynamic["rope_scaling"]["rope_type"], "dynamic");
  EXPECT_EQ(dynamic["rope_scaling"]["factor"], 2.0);
  EXPECT_EQ(dynamic["rope_scaling"]["original_max_position_embeddings"], 64);
  EXPECT_EQ(dynamic["max_position_embeddings"], 128);
  EXPECT_EQ(
      read({{"rope_type", "dynamic"}, {"factor", 2.0}, {"original_max_position_embeddings", 32}}),
      dynamic);
  const auto positions = [&](double factor) {
    return read({{"type", "dynamic"}, {"factor", factor}})["max_position_embeddings"];
  };
  EXPECT_EQ(positions(1), 64);
  EXPECT_EQ(positions(1e20), 64 + (1 << 18)) << "a graph holds frequencies for each";
  Json yarn = {{"type", "yarn"}, {"factor", 4.0}};
  EXPECT_EQ(read(yarn)["max_position_embeddings"], 256);
  EXPECT_EQ(read(yarn)["rope_scaling"]["original_max_position_embeddings"], 64);
  EXPECT_NEAR(read(yarn)["rope_scaling"]["attention_factor"], 0.1 * std::log(4.0) + 1, 1e-12);
  yarn["original_max_position_embeddings"] = 16;
  yarn["rope_theta"] = 500.0;
  EXPECT_EQ(read(yarn, true)["max_position_embeddings"], 64);
  EXPECT_EQ(read(yarn, true)["rope_theta"], 500.0);
  yarn["mscale"] = 0.707;
  EXPECT_NEAR(read(yarn)["rope_scaling"]["attention_factor"], 0.1 * std::log(4.0) + 1, 1e-12)
      << "both or none";
  yarn["mscale_all_dim"] = 0.5;
  EXPECT_NEAR(read(yarn)["rope_scaling"]["attention_factor"],
              (0.0707 * std::log(4.0) + 1) / (0.05 * std::log(4.0) + 1), 1e-12);
  yarn["attention_factor"] = 1.5;
  EXPECT_EQ(read(yarn)["rope_scaling"]["attention_factor"], 1.5);
  const Json again = read(read(yarn)["rope_scaling"]);
  EXPECT_EQ(again["rope_scaling"], read(yarn)["rope_scaling"]) << "what a checkpoint keeps";
  const auto refused = [&](const char* key, Json value, const std::vector<std::string>& parts) {
    Json wrong = yarn;
    wrong[key] = std::move(value);
    expect_error([&] { read(wrong, true); }, ErrorCode::kCorrupt, parts);
  };
  refused("factor", 0.5, {"'factor'", "1 to", "0.5"});
  refused("beta_fast", 0.5, {"'beta_fast'", "0.5 and 1"});
  refused("beta_slow", 0, {"'beta_fast'", "32 and 0"});
  refused("attention_factor", -1, {"'attention_factor'", "-1"});
  refused("rope_theta", 1.0, {"'rope_theta'", "above 1"});
  for (int64_t none : {0, -1}) {
    refused("original_max_position_embeddings", none,
            {"'original_max_position_embeddings'", "1 or more", std::to_string(none)});
  }
  expect_error(
      [&] {
        read({{"type", "dynamic"}, {"factor", 0.5}});
      },
      ErrorCode::kCorrupt, {"'factor'", "1 or more", "found 0.5"});
  for (const int64_t most : {int64_t{1} << 40, std::numeric_limits<int64_t>::max()}) {
    refused("original_max_position_embeddings", most, {"original_max_position"});
  }
}

TEST(ConfigReaderTest, RotationsOfEitherStyleAndOfGguf) {
  const ModelSource source = hf_source();
  const auto rope = [&](Json raw, const ConfigReader::RopeKinds& kinds) {
    raw["hidden_size"] = 64;
    raw["num_attention_heads"] = 2;
    raw["vocab_size"] = raw["max_position_embeddings"] = raw["num_hidden_layers"] = 8;
    ConfigReader c(source, raw);
    c.decoder_sizes();
    c.heads();
    c.rope(kinds);
    return c.config();
  };
  const Json linear = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 500.0}};
  const Json newer = rope({{"rope_parameters", linear}}, {});
  EXPECT_EQ(newer["rope_theta"], 500.0);
  EXPECT_EQ(newer["rope_scaling"]["factor"], 2.0);
  EXPECT_EQ(read_rope_config(newer, "again").type, "linear");
  const Json stated = {{"rope_type", "default"}, {"rope_theta", 700.0}};
  const Json both = rope({{"rope_parameters", stated}, {"rope_scaling", linear}}, {});
  EXPECT_EQ(both["rope_scaling"]["factor"], 2.0) << "added to a file of the newer style";
  EXPECT_EQ(both["rope_theta"], 500.0);
  EXPECT_EQ(rope({{"rope_parameters", linear}, {"rope_scaling", Json::object()}}, {}), newer);
  EXPECT_EQ(rope({{"partial_rotary_factor", 0.25}}, {.partial = true})["partial_rotary_factor"],
            0.25);
  expect_error(
      [&] {
        rope({{"partial_rotary_factor", 0.1}}, {.partial = true});
      },
      ErrorCode::kCorrupt, {"partial_rotary_factor", "even", "0.1: 3"});
  expect_error(
      [&] {
        rope({{"partial_rotary_factor", 0.25}}, {});
      },
      ErrorCode::kUnsupported, {"partial_rotary_factor", "0.25"});
  expect_error(
      [&] {
        rope({{"rope_parameters", linear}}, {.types = {"default"}});
      },
      ErrorCode::kUnsupported, {"rope_scaling", "type default", "linear"});

  const ScratchDirectory dir;
  GgufWriter writer;
  writer.add_string("general.architecture", "odd");
  writer.add_uint32("odd.rope.dimension_count", 8);
  writer.write(dir / "odd.gguf");
  ModelSource gguf;
  gguf.kind = ModelSourceKind::kGguf;
  gguf.path = "odd.gguf";
  gguf.gguf = GgufFile::open(dir / "odd.gguf");
  const auto from_gguf = [&](bool partial) {
    ConfigReader c(gguf, {{"hidden_size", 64},
                          {"num_attention_heads", 2},
                          {"vocab_size", 8},
                          {"max_position_embeddings", 8},
                          {"num_hidden_layers", 8}});
    c.decoder_sizes();
    c.heads();
    return c.rope({.partial = partial}).partial_rotary_factor;
  };
  EXPECT_EQ(from_gguf(true), 0.25);
  expect_error([&] { from_gguf(false); }, ErrorCode::kUnsupported,
               {"odd.gguf", "odd.rope.dimension_count", "expected 32", "found 8"});
}

}  // namespace
}  // namespace ingot
