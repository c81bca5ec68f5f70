#include "graph/verify.h"
#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(LlamaTest, BiasesAndLinearScalingCase) { check_golden("llama-linear-bias"); }
TEST(LlamaTest, YarnCase) { check_golden("llama-yarn"); }

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
