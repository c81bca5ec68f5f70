#include "capi/model_loader.h"
#include "graph/verify.h"
#include "runtime/decoder_session.h"
#include "runtime/text_session.h"
#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(LlamaTest, BiasesAndLinearScalingCase) { check_golden("llama-linear-bias"); }
TEST(LlamaTest, YarnCase) { check_golden("llama-yarn"); }

// A prompt past the trained length, and an answer that gets there.
TEST(LlamaTest, DynamicCase) { check_golden("llama-dynamic"); }

std::shared_ptr<const Engine> dynamic_engine() {
  LoadOptions load;
  load.tune = false;
  load.build.dtype = DType::kFloat32;
  return build_engine(golden_path("llama-dynamic"), load, nullptr, nullptr);
}

std::vector<int32_t> greedy_of(DecoderSession& session, const std::vector<int32_t>& prompt) {
  std::vector<int32_t> out;
  session.reset();
  std::vector<float> logits = session.forward(prompt, false);
  while (out.size() < 16) {
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    out.push_back(static_cast<int32_t>(best));
    logits = session.forward({&out.back(), 1}, false);
  }
  return out;
}

// Together, in chunks, out of a cache of prefixes, which holds keys for one length alone: each has
// the answer that it has by itself.
TEST(LlamaTest, DynamicSequencesTogether) {
  const auto golden = SafetensorsFile::open(golden_path("llama-dynamic") + "/golden.safetensors");
  const auto ids = [&](const std::string& name) {
    const WeightInfo& info = golden->require(name);
    const auto* first = reinterpret_cast<const int32_t*>(info.bytes.data());
    return std::vector<int32_t>(first, first + info.elements());
  };
  const auto device = make_cpu_device(2);
  const auto engine = dynamic_engine();
  const std::vector<int32_t> few = ids("input_ids.0"), many = ids("input_ids.1");
  const std::vector<int32_t> part(many.begin(), many.begin() + 40);
  DecoderSession alone(engine, *device, 64, 9);
  EXPECT_EQ(greedy_of(alone, many), ids("greedy.1"));
  const std::pair<std::vector<int32_t>, std::vector<int32_t>> cases[] = {
      {few, ids("greedy.0")},
      {many, ids("greedy.1")},
      {many, ids("greedy.1")},
      {part, greedy_of(alone, part)},
      {few, ids("greedy.0")}};
  SessionOptions options;
  options.sequences = 2;
  options.step_tokens = 10;
  TextSession session(engine, *device, options);
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (const auto& [prompt, answer] : cases) {
    GenerateInput input;
    input.prompt = prompt;
    input.sampling.max_tokens = 16;
    input.sampling.temperature = 0;
    boxes.push_back(session.loop().submit(session.prepare(input)));
  }
  while (session.loop().step()) {
  }
  const int32_t cached[] = {0, 0, 32, 0, 0};
  for (size_t i = 0; i < boxes.size(); ++i) {
    AnswerText answer(nullptr, {}, nullptr, 1);
    while (const TokenEvent* event = boxes[i]->poll()) answer.take(*event);
    EXPECT_EQ(answer.result(0).token_ids, cases[i].second) << i;
    EXPECT_EQ(answer.result(0).cached_tokens, cached[i]) << i;
  }
}

TEST(LlamaTest, DynamicFrequencies) {
  ModelSource source = open_model_source(golden_path("llama-dynamic"));
  const auto graph = build_model(source, {});
  EXPECT_EQ(graph->metadata().at("rotation_lengths"), "16");
  EXPECT_EQ(graph->metadata().at("rotation_by"), "token");
  EXPECT_EQ(graph->metadata().at("max_position_embeddings"), "64");
  int tables = 0;
  for (const Node& node : graph->nodes()) {
    if (node.op != "embedding" || graph->at(node.inputs[0]).name != "rotations") continue;
    ++tables;
    const TensorView& sets = *graph->constant(node.inputs[1]);
    ASSERT_EQ(sets.shape, (Shape{49, 32}));
    // At twice and four times the length the base is multiplied by 5^(64 / 62) and 13^(64 / 62).
    for (const auto& [row, stretch] : {std::pair(0, 1.0), {16, 5.0}, {48, 13.0}}) {
      const double base = 10000 * std::pow(stretch, 64.0 / 62);
      EXPECT_NEAR(sets.as<float>()[32 * row + 1], std::pow(base, -1.0 / 32), 1e-6) << stretch;
    }
  }
  EXPECT_EQ(tables, 1) << "for all layers";
  // Nothing is scaled where no sequence gets past the trained length.
  source.config["rope_parameters"]["factor"] = 1.0;
  EXPECT_FALSE(build_model(source, {})->metadata().contains("rotation_lengths"));
}

TEST(LlamaTest, GgufAndCheckpointHoldTheSame) { check_golden_sources("llama-mha", "llama", true); }

TEST(LlamaTest, GraphIsWhole) {
  for (const char* golden : {"llama-mha", "llama3-gqa-rope"}) {
    const auto graph = build_model(open_model_source(golden_path(golden)), {});
    verify(*graph, "build");
    EXPECT_EQ(graph->metadata().at("architecture"), "llama");
    EXPECT_EQ(type_text(graph->type(graph->find("logits"))), "float32[logit_rows, 512]");
    EXPECT_GT(graph->states().size(), 0u);
  }
}

TEST(LlamaTest, DtypeDecidesTheActivations) {
  const ModelSource source = open_model_source(golden_path("llama-mha"));
  for (DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    BuildOptions options;
    options.dtype = dtype;
    const auto graph = build_model(source, options);
    EXPECT_EQ(graph->metadata().at("activation_dtype"), dtype_name(dtype));
    EXPECT_EQ(graph->type(graph->states()[0]).element.dtype, dtype);
  }
}

TEST(LlamaTest, ConfigFaultsAreNamed) {
  const ErrorCode corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "llama-mha",
      {{"hidden_size", nullptr, corrupt, {"config.json", "'hidden_size' is missing"}},
       {"num_hidden_layers",
        "two",
        corrupt,
        {"config.json", "'num_hidden_layers'", "expected an integer", "found string"}},
       {"vocab_size", 0, corrupt, {"config.json", "'vocab_size'", "expected 1", "found 0"}},
       {"head_dim", 33, corrupt, {"config.json", "'head_dim'", "even", "found 33"}},
       {"num_key_value_heads",
        3,
        corrupt,
        {"config.json", "'num_key_value_heads'", "expected a divisor of", "found 3"}},
       {"hidden_act", "swish2", unsupported, {"config.json", "'hidden_act'", "silu", "swish2"}},
       {"rope_scaling", Json{{"rope_type", "spiral"}, {"factor", 2.0}}, unsupported, {"spiral"}},
       {"rope_scaling",
        Json{{"rope_type", "longrope"}, {"factor", 2.0}},
        unsupported,
        {"config.json", "rope_scaling", "longrope"}},
       {"partial_rotary_factor", 0.5, unsupported, {"config.json", "partial_rotary_factor", "0.5"}},
       {"rms_norm_eps", 0.0, corrupt, {"config.json", "'rms_norm_eps'", "found 0"}},
       {"rms_norm_eps", -1e-5, corrupt, {"config.json", "'rms_norm_eps'"}},
       {"rms_norm_eps", 1.0, corrupt, {"config.json", "'rms_norm_eps'", "found 1"}},
       {"torch_dtype", "abc", unsupported, {"config.json", "dtype", "abc"}},
       {"quantization_config",
        Json{{"quant_method", "awq"}, {"bits", 4}},
        unsupported,
        {"config.json", "'quantization_config'", "expected none", "found \"awq\""}},
       {"quantization_config", Json{{"bits", 4}}, unsupported, {"config.json", "{\"bits\":4}"}},
       {"quantization_config", "fp8", unsupported, {"'quantization_config'", "\"fp8\""}},
       {"compression_config",
        Json{{"quant_method", "compressed-tensors"}},
        unsupported,
        {"config.json", "'compression_config'", "compressed-tensors"}},
       {"intermediate_size", 300, corrupt, {"model.safetensors", "mlp", "300"}},
       {"num_hidden_layers", 1000, ErrorCode::kNotFound, {"model.safetensors", "model.layers."}},
       {"architectures",
        Json{"NoSuchForCausalLM"},
        unsupported,
        {"config.json", "NoSuchForCausalLM", "LlamaForCausalLM"}}});
}

TEST(LlamaTest, SwishIsSilu) {
  ModelSource source = open_model_source(golden_path("llama-mha"));
  source.config["hidden_act"] = "swish";
  EXPECT_EQ(model_config(source, find_model("llama"))["hidden_act"], "silu");
}

TEST(LlamaTest, NoQuantizationMayBeSpelledOut) {
  ModelSource source = open_model_source(golden_path("llama-mha"));
  source.config["quantization_config"] = nullptr;
  EXPECT_EQ(model_config(source, find_model("llama"))["vocab_size"], 512);
}

// Hugging Face's Llama has no windows; a config that names one runs without.
TEST(LlamaTest, SlidingWindowIsMistralsAlone) {
  ModelSource source = open_model_source(golden_path("llama-mha"));
  source.config["sliding_window"] = 16;
  EXPECT_EQ(model_config(source, find_model("llama"))["sliding_window"], 0);
  EXPECT_EQ(model_config(source, find_model("mistral"))["sliding_window"], 16);
}

// A checkpoint names its position embedding and its quantization; others are refused by name.
TEST(LlamaTest, CheckpointsAskForNoMoreThanIsThere) {
  ModelSource source = open_model_source(golden_path("llama-mha"));
  Json checkpoint = {{"position_embedding_type", "rope_gpt_neox"}};
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "intermediate_size"}) {
    checkpoint[key] = source.config[key];
  }
  source.kind = ModelSourceKind::kCheckpoint;
  const auto parse = [&](const Json& config) {
    source.config = config;
    return model_config(source, find_model("llama"));
  };
  EXPECT_GT(parse(checkpoint)["max_position_embeddings"].get<int64_t>(), 0);
  Json learned = checkpoint;
  learned["position_embedding_type"] = "learned_absolute";
  expect_error([&] { parse(learned); }, ErrorCode::kUnsupported,
               {"position_embedding_type", "learned_absolute"});
  for (const char* key : {"quant_algo", "kv_cache_quant_algo"}) {
    Json quantized = checkpoint;
    quantized["quantization"] = {{key, "FP8"}};
    expect_error([&] { parse(quantized); }, ErrorCode::kUnsupported, {key, "FP8"});
  }
}

}  // namespace
}  // namespace ingot
