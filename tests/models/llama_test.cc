#include "graph/verify.h"
#include "tests/models/golden_models.h"

namespace ingot {
namespace {

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
       {"intermediate_size", 300, corrupt, {"model.safetensors", "mlp", "300"}},
       {"num_hidden_layers", 1000, ErrorCode::kNotFound, {"model.safetensors", "model.layers."}},
       {"architectures",
        Json{"NoSuchForCausalLM"},
        unsupported,
        {"NoSuchForCausalLM", "LlamaForCausalLM"}}});
}

}  // namespace
}  // namespace ingot
