#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(ChatGlmTest, GoldenCase) { check_golden("chatglm"); }

// One key and value head for all queries; the two ways in which longer models stretch the rotation.
TEST(ChatGlmTest, GoldenCasesOf32k) {
  check_golden("chatglm3-32k");
  check_golden("chatglm2-32k");
}

// llama.cpp keeps query, key and value apart or, as for these models, joined.
TEST(ChatGlmTest, GgufHoldsTheSame) {
  check_gguf_of("chatglm", "chatglm");
  check_gguf_of("chatglm", "chatglm", {.older = true});
  check_gguf_of("chatglm3-32k", "chatglm", {.older = true});
}

TEST(ChatGlmTest, OtherNameOfTheClass) {
  HfVariant v("chatglm");
  v.config["architectures"] = {"ChatGLMForConditionalGeneration"};
  v.tensors["transformer.rotary_pos_emb.inv_freq"] = {{4}, std::string(8, '\0')};
  v.check();
}

TEST(ChatGlmTest, TheRatioNeedsAName) {
  ModelSource source = open_model_source(golden_path("chatglm3-32k"));
  const auto read = [&] { return model_config(source, find_model(source)); };
  EXPECT_EQ(read()["rope_theta"], 500000);
  EXPECT_FALSE(read().contains("rope_scaling"));
  source.config["_name_or_path"] = "/models/ChatGLM2-6B-32k";
  EXPECT_EQ(read()["rope_theta"], 10000);
  EXPECT_EQ(read()["rope_scaling"]["rope_type"], "linear");
  EXPECT_EQ(read()["rope_scaling"]["factor"], 50);
  source.config["_name_or_path"] = "./output";
  expect_error(read, ErrorCode::kUnsupported,
               {"config.json", "'rope_ratio'", "chatglm2", "chatglm3", "50 and './output'"});
  source.config["padded_vocab_size"] = 151552;
  EXPECT_EQ(read()["rope_theta"], 500000) << "GLM-4's vocabulary";
  source.config["rope_ratio"] = 1;
  source.config["padded_vocab_size"] = 128;
  EXPECT_EQ(read()["rope_theta"], 10000);
}

TEST(ChatGlmTest, ConfigFaultsAreNamed) {
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "chatglm",
      {{"apply_residual_connection_post_layernorm",
        true,
        unsupported,
        {"config.json", "apply_residual_connection_post_layernorm", "expected false, found true"}},
       {"multi_query_attention", nullptr, unsupported, {"'multi_query_attention'", "found false"}},
       {"add_bias_linear", true, unsupported, {"'add_bias_linear'", "expected false"}},
       {"rmsnorm", false, unsupported, {"'rmsnorm'", "expected true"}},
       {"post_layer_norm", false, unsupported, {"'post_layer_norm'", "expected true"}},
       {"position_encoding_2d", true, unsupported, {"'position_encoding_2d'", "ChatGLM2"}},
       {"pre_seq_len", 128, unsupported, {"'pre_seq_len'"}},
       {"quantization_bit", 4, unsupported, {"'quantization_bit'", "found 4"}},
       {"rope_ratio", 0, corrupt, {"'rope_ratio'", "positive"}},
       {"multi_query_group_num", 3, corrupt, {"'num_key_value_heads'", "a divisor of 4"}},
       {"multi_query_group_num", 1, corrupt, {"query_key_value.weight", "[96, 64]"}},
       {"ffn_hidden_size", 48, corrupt, {"mlp.dense_h_to_4h.weight", "[96, 64]"}},
       {"padded_vocab_size", 100, corrupt, {"word_embeddings.weight", "[100, 64]"}}});
}

}  // namespace
}  // namespace ingot
