#include "tests/models/golden_run.h"

namespace ingot {
namespace {

// A Llama golden under Qwen's names, with biases of zero.
HfVariant qwen_of_llama() {
  HfVariant v("llama-mha");
  const int64_t hidden = v.config["hidden_size"];
  v.config = {{"architectures", {"QWenLMHeadModel"}},
              {"hidden_size", hidden},
              {"num_hidden_layers", v.config["num_hidden_layers"]},
              {"num_attention_heads", v.config["num_attention_heads"]},
              {"kv_channels", v.config["head_dim"]},
              {"vocab_size", v.config["vocab_size"]},
              {"intermediate_size", 2 * v.config["intermediate_size"].get<int64_t>()},
              {"layer_norm_epsilon", v.config["rms_norm_eps"]},
              {"rotary_emb_base", v.config["rope_theta"]},
              {"rotary_pct", 1.0},
              {"max_position_embeddings", 1024},
              {"seq_length", 256},
              {"no_bias", true},
              {"scale_attn_weights", true},
              {"tie_word_embeddings", false},
              {"use_dynamic_ntk", true},
              {"use_logn_attn", true}};
  v.rename("model.embed_tokens.weight", "transformer.wte.weight");
  v.rename("model.norm.weight", "transformer.ln_f.weight");
  for (int64_t i = 0; i < v.layers(); ++i) {
    const std::string p = fmt::format("model.layers.{}.", i),
                      to = fmt::format("transformer.h.{}.", i);
    std::string joined;
    for (const char* which : {"q", "k", "v"}) {
      joined +=
          v.tensors.extract(fmt::format("{}self_attn.{}_proj.weight", p, which)).mapped().second;
    }
    v.tensors[to + "attn.c_attn.weight"] = {{3 * hidden, hidden}, joined};
    v.tensors[to + "attn.c_attn.bias"] = {{3 * hidden},
                                          std::string(static_cast<size_t>(6 * hidden), '\0')};
    const std::pair<const char*, const char*> kNames[] = {{"input_layernorm", "ln_1"},
                                                          {"self_attn.o_proj", "attn.c_proj"},
                                                          {"post_attention_layernorm", "ln_2"},
                                                          {"mlp.gate_proj", "mlp.w2"},
                                                          {"mlp.up_proj", "mlp.w1"},
                                                          {"mlp.down_proj", "mlp.c_proj"}};
    for (const auto& [ours, theirs] : kNames) {
      v.rename(p + ours + ".weight", to + theirs + ".weight");
    }
  }
  return v;
}

TEST(QwenTest, ALlamaUnderItsNames) { qwen_of_llama().check(); }

TEST(QwenTest, GgufHoldsTheSame) {
  const ScratchDirectory dir;
  qwen_of_llama().write(dir);
  const ModelSource source = open_model_source(dir.path());
  write_gguf_of(source, dir / "model.gguf", "qwen", GgufLayout{});
  const ModelSource gguf = open_model_source(dir / "model.gguf");
  EXPECT_EQ(gguf.weights->require("blk.0.attn_qkv.weight").shape, (Shape{384, 128}));
  expect_same_weights(source, gguf);
}

// Attention scaled by log(length) and dynamic rotation begin there.
TEST(QwenTest, RunsUpToTheTrainedLength) {
  const HfVariant v = qwen_of_llama();
  ModelSource source;
  source.config_file = "config.json";
  const auto positions = [&](bool ntk, bool logn) {
    source.config = v.config;
    source.config["use_dynamic_ntk"] = ntk;
    source.config["use_logn_attn"] = logn;
    return model_config(source, find_model("QWenLMHeadModel"))["max_position_embeddings"];
  };
  EXPECT_EQ(positions(true, true), 256);
  EXPECT_EQ(positions(false, true), 256);
  EXPECT_EQ(positions(true, false), 256);
  EXPECT_EQ(positions(false, false), 1024);
}

TEST(QwenTest, ConfigFaultsAreNamed) {
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  const auto fault = [](const char* key, Json value, ErrorCode code,
                        std::vector<std::string> parts) {
    HfVariant v = qwen_of_llama();
    v.config[key] = std::move(value);
    const ScratchDirectory dir;
    v.write(dir);
    expect_error([&] { build_model(open_model_source(dir.path()), {}); }, code, parts);
  };
  fault("intermediate_size", 511, corrupt, {"config.json", "'intermediate_size'", "even", "511"});
  fault("intermediate_size", 256, corrupt, {"mlp.w2.weight", "[128, 128]"});
  fault("no_bias", false, unsupported, {"config.json", "'no_bias'", "expected true"});
  fault("scale_attn_weights", false, unsupported, {"config.json", "'scale_attn_weights'"});
  fault("rotary_pct", 0.5, unsupported, {"config.json", "partial_rotary_factor", "0.5"});
  fault("kv_channels", 32, corrupt, {"attn.c_attn.weight", "[192, 128]"});
  fault("seq_length", 0, corrupt, {"config.json", "'max_position_embeddings'", "found 0"});
}

}  // namespace
}  // namespace ingot
