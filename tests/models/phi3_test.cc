#include "capi/model_loader.h"
#include "runtime/decoder_session.h"
#include "runtime/text_session.h"
#include "tests/models/golden_run.h"

namespace ingot {
namespace {

// Sequences past original_max_position_embeddings alone: all by the factors for long ones.
TEST(Phi3Test, GoldenCase) { check_golden("phi3-longrope"); }
// Some up to it, some past it, in one engine.
TEST(Phi3Test, BothLengthsCase) { check_golden("phi3-lengths"); }
TEST(Phi3Test, PartialRotationCase) { check_golden("phi3"); }

struct Rotation {
  std::vector<float> frequencies;  // sets one after the other
  double scale = 0;
};
Rotation rotation_of(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    if (node.op != "rope") continue;
    const Node* pick = graph.at(node.inputs[2]).producer;
    const TensorView& data = *graph.constant(pick ? pick->inputs[1] : node.inputs[2]);
    return {{data.as<float>(), data.as<float>() + data.elements()},
            attr_or(node.attrs, "scale", 0.0)};
  }
  return {};
}

// An engine for sequences past original_max_position_embeddings has both sets.
TEST(Phi3Test, FactorsByLength) {
  ModelSource source = open_model_source(golden_path("phi3-longrope"));
  BuildOptions options;
  const auto graph = build_model(source, options);
  EXPECT_EQ(graph->metadata().at("rotation_lengths"), "6");
  EXPECT_EQ(graph->metadata().at("rotation_by"), "sequence");
  const Rotation all = rotation_of(*graph);
  options.max_seq_len = 7;
  EXPECT_EQ(rotation_of(*build_model(source, options)).frequencies, all.frequencies);
  options.max_seq_len = 6;
  const Rotation few = rotation_of(*build_model(source, options));
  ASSERT_EQ(all.frequencies.size(), 32u);
  ASSERT_EQ(few.frequencies.size(), 16u);
  EXPECT_TRUE(std::equal(few.frequencies.begin(), few.frequencies.end(), all.frequencies.begin()));
  EXPECT_EQ(few.frequencies[0], 1.0f);
  EXPECT_EQ(all.frequencies[16], 1 / 2.0f);
  EXPECT_FLOAT_EQ(all.frequencies[31] / few.frequencies[15], 1.9375f / 5.75f);
  // sqrt(1 + ln(64 / 6) / ln(6)), at either length.
  EXPECT_NEAR(all.scale, 1.52352, 1e-5);
  EXPECT_EQ(few.scale, all.scale);
  // A stated factor counts in place of 64 / 6.
  source.config["rope_scaling"]["factor"] = 3.0;
  EXPECT_NEAR(rotation_of(*build_model(source, {})).scale, std::sqrt(1 + std::log(3) / std::log(6)),
              1e-9);
  const ScratchDirectory dir;
  convert_model(source, {}, dir / "checkpoint");
  EXPECT_NEAR(rotation_of(*build_model(open_model_source(dir / "checkpoint"), {})).scale,
              std::sqrt(1 + std::log(3) / std::log(6)), 1e-9);
  source.config["rope_scaling"].erase("factor");
  source.config["rope_scaling"]["attention_factor"] = 1.25;
  EXPECT_EQ(rotation_of(*build_model(source, options)).scale, 1.25);
  source.config["rope_scaling"].erase("attention_factor");
  source.config["max_position_embeddings"] = 6;
  EXPECT_EQ(rotation_of(*build_model(source, {})).scale, 1);
}

// Sequences of either length, served together, from pages of one cache.
TEST(Phi3Test, BothLengthsTogether) {
  const std::string directory = golden_path("phi3-lengths");
  const auto golden = SafetensorsFile::open(directory + "/golden.safetensors");
  const auto ids = [&](const std::string& name) {
    const WeightInfo& info = golden->require(name);
    const auto* first = reinterpret_cast<const int32_t*>(info.bytes.data());
    return std::vector<int32_t>(first, first + info.elements());
  };
  LoadOptions load;
  load.tune = false;
  load.build.dtype = DType::kFloat32;
  const auto device = make_cpu_device(2);
  SessionOptions options;
  options.sequences = 3;
  TextSession session(build_engine(directory, load, nullptr, nullptr), *device, options);
  std::vector<std::shared_ptr<Outbox>> boxes;
  std::vector<std::vector<int32_t>> expected;
  for (const char* i : {"0", "1", "0"}) {
    GenerateInput input;
    input.prompt = ids(fmt::format("input_ids.{}", i));
    input.sampling.max_tokens = 16;
    input.sampling.temperature = 0;
    boxes.push_back(session.loop().submit(session.prepare(input)));
    expected.push_back(ids(fmt::format("greedy.{}", i)));
  }
  while (session.loop().step()) {
  }
  for (size_t i = 0; i < boxes.size(); ++i) {
    AnswerText answer(nullptr, {}, nullptr, 1);
    while (const TokenEvent* event = boxes[i]->poll()) answer.take(*event);
    EXPECT_EQ(answer.result(0).token_ids, expected[i]) << i;
  }
}

// `ingot build --max-seq-len` limits the blocks of an engine; an answer does not depend on it.
TEST(Phi3Test, EnginesForShorterSequences) {
  const ScratchDirectory dir;
  const std::string golden = golden_path("phi3-longrope");
  std::filesystem::copy_file(golden + "/model.safetensors", dir / "model.safetensors");
  Json config = open_model_source(golden).config;
  config["original_max_position_embeddings"] = kKvBlockTokens;
  dir.write("config.json", config.dump());
  const auto device = make_cpu_device(2);
  const auto logits = [&](const SymbolValues& limits, int64_t longest) {
    LoadOptions options;
    options.tune = false;
    options.limits = limits;
    options.build.dtype = DType::kFloat32;
    DecoderSession session(build_engine(dir.path(), options, nullptr, nullptr), *device, 32, 32);
    const int32_t prompt[] = {5, 60, 7, 8};
    session.reset(longest);
    return session.forward(prompt, false);
  };
  const std::vector<float> few = logits({{"max_blocks", 1}}, 0);
  EXPECT_EQ(logits({}, 0), few);
  EXPECT_EQ(logits({}, kKvBlockTokens), few);
  EXPECT_NE(logits({}, kKvBlockTokens + 1), few);
}

TEST(Phi3Test, RotationsOfEveryKeyStyle) {
  ModelSource source = open_model_source(golden_path("phi3-longrope"));
  const Json config = model_config(source, find_model("phi3"));
  ModelSource other = source;
  other.config["rope_scaling"]["type"] = "su";  // the first published name
  EXPECT_EQ(model_config(other, find_model("phi3")), config);
  Json newer = source.config["rope_scaling"];
  newer["rope_type"] = "longrope";
  newer["rope_theta"] = source.config["rope_theta"];
  newer["original_max_position_embeddings"] = 6;
  newer.erase("type");
  other.config["rope_parameters"] = newer;
  for (const char* key : {"rope_scaling", "rope_theta", "original_max_position_embeddings"}) {
    other.config.erase(key);
  }
  EXPECT_EQ(model_config(other, find_model("phi3")), config);
}

// llama.cpp keeps the factors as tensors, the scale as a number.
TEST(Phi3Test, GgufHoldsTheSame) {
  const ModelSource source = open_model_source(golden_path("phi3-longrope"));
  const std::map<std::string, const char*> tensors = {
      {"rope_factors_long.weight", "long_factor"}, {"rope_factors_short.weight", "short_factor"}};
  std::deque<std::vector<float>> kept;
  GgufLayout layout;
  layout.add = [&](GgufWriter& writer) {
    writer.add_uint32("phi3.rope.scaling.original_context_length", 6);
    writer.add_float32("phi3.rope.scaling.attn_factor", 1.52352f);
    for (const auto& [name, key] : tensors) {
      kept.push_back(source.config["rope_scaling"][key].get<std::vector<float>>());
      writer.add_tensor(name, DType::kFloat32, {static_cast<int64_t>(kept.back().size())},
                        std::as_bytes(std::span(kept.back())));
    }
  };
  const ScratchDirectory dir;
  write_gguf_of(source, dir / "long.gguf", "phi3", layout);
  const ModelSource gguf = open_model_source(dir / "long.gguf");
  convert_model(gguf, {}, dir / "checkpoint");
  for (const int64_t longest : {6, 64}) {
    BuildOptions options;
    options.max_seq_len = longest;
    const Rotation expected = rotation_of(*build_model(source, options));
    for (const ModelSource& each : {gguf, open_model_source(dir / "checkpoint")}) {
      const Rotation found = rotation_of(*build_model(each, options));
      EXPECT_EQ(found.frequencies, expected.frequencies) << each.path;
      EXPECT_NEAR(found.scale, expected.scale, 1e-5) << each.path;
    }
  }
  ModelSource plain = source;
  plain.config.erase("rope_scaling");
  plain.config["sliding_window"] = 2047;
  write_gguf_of(plain, dir / "plain.gguf", "phi3");
  expect_same_weights(plain, open_model_source(dir / "plain.gguf"));
}

TEST(Phi3Test, WindowsAndPartsOfHeads) {
  ModelSource source = open_model_source(golden_path("phi3-longrope"));
  source.config.erase("rope_scaling");
  source.config["sliding_window"] = 16;
  source.config["partial_rotary_factor"] = 0.75;
  const auto graph = build_model(source, {});
  EXPECT_EQ(rotation_of(*graph).frequencies.size(), 12u);
  int windows = 0;
  for (const Node& node : graph->nodes()) {
    if (node.op != "paged_attention") continue;
    windows += attr_or<int64_t>(node.attrs, "window", 0) == 16;
  }
  EXPECT_EQ(windows, 2);
}

TEST(Phi3Test, ConfigFaultsAreNamed) {
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  Json scaling = open_model_source(golden_path("phi3-longrope")).config["rope_scaling"];
  const auto with = [&](const char* key, const Json& value) {
    Json out = scaling;
    out[key] = value;
    return out;
  };
  std::vector<float> zero(16, 1.0f);
  zero[3] = 0;
  check_config_faults(
      "phi3-longrope",
      {{"rope_scaling",
        {{"type", "yarn"}, {"factor", 4}},
        unsupported,
        {"config.json", "longrope", "'yarn'"}},
       {"rope_scaling",
        with("type", "yarn"),
        corrupt,
        {"config.json", "yarn", "factor", "missing"}},
       {"rope_scaling", with("long_factor", Json{1.0}), corrupt, {"'long_factor'", "16", "1"}},
       {"rope_scaling", with("short_factor", "x"), corrupt, {"config.json", "short_factor"}},
       {"rope_scaling", with("long_factor", zero), corrupt, {"16 positive numbers", "0 among"}},
       {"rope_scaling", with("attention_factor", 0.0), corrupt, {"'attention_factor'", "positive"}},
       {"original_max_position_embeddings", 0, corrupt, {"original_max_position_embeddings", "2"}},
       {"attention_bias", true, unsupported, {"config.json", "attention_bias", "expected false"}},
       {"sliding_window", -1, corrupt, {"config.json", "sliding_window"}},
       {"hidden_act", "sine", unsupported, {"config.json", "hidden_act", "sine"}},
       {"rms_norm_eps", 0.0, corrupt, {"config.json", "rms_norm_eps"}},
       {"num_key_value_heads", 2, corrupt, {"model.safetensors", "qkv_proj", "192"}},
       {"intermediate_size", 100, corrupt, {"model.safetensors", "gate_up_proj", "200"}}});
}

}  // namespace
}  // namespace ingot
