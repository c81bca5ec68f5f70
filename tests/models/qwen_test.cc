#include "capi/model_loader.h"
#include "runtime/decoder_session.h"
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

// Answers go past the trained length, where queries grow with the logarithm of the length.
TEST(QwenTest, GoldenCase) { check_golden("qwen"); }

// A prompt past it, in a model whose rotation stays.
TEST(QwenTest, GoldenCaseOfLongPrompts) { check_golden("qwen-logn"); }
// Prompts past it whose rotation is stretched, and one within it.
TEST(QwenTest, GoldenCaseOfStretchedRotations) { check_golden("qwen-ntk"); }

TEST(QwenTest, GgufHoldsTheSame) {
  const ScratchDirectory dir;
  HfVariant v = qwen_of_llama();
  v.config["rotary_emb_base"] = 1e6;
  v.config["max_position_embeddings"] = 256;
  v.write(dir);
  const ModelSource source = open_model_source(dir.path());
  write_gguf_of(source, dir / "model.gguf", "qwen", GgufLayout{});
  const ModelSource gguf = open_model_source(dir / "model.gguf");
  EXPECT_EQ(gguf.weights->require("blk.0.attn_qkv.weight").shape, (Shape{384, 128}));
  expect_same_weights(source, gguf);
}

// The file says neither the trained length nor what happens past it.
TEST(QwenTest, GgufRunsUpToAQuarterOfItsLength) {
  const ScratchDirectory dir;
  HfVariant v = qwen_of_llama();
  v.write(dir);
  const ModelSource source = open_model_source(dir.path());
  write_gguf_of(source, dir / "model.gguf", "qwen", GgufLayout{});
  const ModelSource gguf = open_model_source(dir / "model.gguf");
  const Json config = model_config(gguf, find_model(gguf));
  EXPECT_EQ(config["max_position_embeddings"], 256);
  EXPECT_EQ(config["seq_length"], 256);
  EXPECT_FALSE(build_model(gguf, {})->metadata().contains("rotation_lengths"));
}

// Alpha is 1 up to the trained length, 3 up to twice, 7 up to four times.
TEST(QwenTest, ThePromptStretchesTheRotation) {
  ModelSource source = open_model_source(golden_path("qwen"));
  const auto built = [&](bool ntk, bool logn) {
    source.config["use_dynamic_ntk"] = ntk;
    source.config["use_logn_attn"] = logn;
    return build_model(source, {});
  };
  const auto products = [](const Graph& graph) {
    return std::ranges::count_if(graph.nodes(), [](const Node& node) { return node.op == "mul"; });
  };
  const auto both = built(true, true), plain = built(false, false), ntk = built(true, false);
  EXPECT_EQ(both->metadata().at("rotation_lengths"), "16,32");
  EXPECT_EQ(both->metadata().at("rotation_by"), "prompt");
  EXPECT_FALSE(plain->metadata().contains("rotation_lengths"));
  EXPECT_EQ(products(*both), products(*plain) + 2) << "one a layer";
  EXPECT_EQ(products(*ntk), products(*plain));
  for (const Node& node : ntk->nodes()) {
    if (node.op != "embedding" || ntk->at(node.inputs[0]).name != "rotations") continue;
    const TensorView& sets = *ntk->constant(node.inputs[1]);
    ASSERT_EQ(sets.shape, (Shape{3, 8}));
    for (const auto& [row, alpha] : {std::pair(0, 1.0), {1, 3.0}, {2, 7.0}}) {
      const double base = 10000 * std::pow(alpha, 16.0 / 14);
      EXPECT_NEAR(sets.as<float>()[8 * row + 1], std::pow(base, -1.0 / 8), 1e-6) << alpha;
    }
    return;
  }
  FAIL() << "no table of rotations";
}

// A model that was trained for all of its positions has nothing past them.
TEST(QwenTest, NothingBeginsWhereNoSequenceGets) {
  ModelSource source = open_model_source(golden_path("qwen"));
  source.config["seq_length"] = 64;
  const auto graph = build_model(source, {});
  EXPECT_FALSE(graph->metadata().contains("rotation_lengths"));
}

// Its first release had GPT-2's keys.
TEST(QwenTest, OlderKeysSayTheSame) {
  ModelSource source = open_model_source(golden_path("qwen"));
  const ModelDef& model = find_model(source);
  const Json expected = model_config(source, model);
  const std::pair<const char*, const char*> kKeys[] = {{"hidden_size", "n_embd"},
                                                       {"num_hidden_layers", "n_layer"},
                                                       {"num_attention_heads", "n_head"},
                                                       {"max_position_embeddings", "n_positions"},
                                                       {"intermediate_size", "ffn_hidden_size"},
                                                       {"vocab_size", "padded_vocab_size"}};
  for (const auto& [now, then] : kKeys) {
    source.config[then] = source.config[now];
    source.config.erase(now);
  }
  EXPECT_EQ(model_config(source, model), expected);
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
  fault("rope_scaling", Json{{"type", "dynamic"}, {"factor", 2.0}}, unsupported,
        {"config.json", "'rope_scaling'", "none", "dynamic"});
  fault("seq_length", 0, corrupt, {"config.json", "'seq_length'", "found 0"});
  fault("max_position_embeddings", 1 << 30, corrupt,
        {"config.json", "'max_position_embeddings'", "1048576 with use_logn_attn", "1073741824"});
  fault("seq_length", 1, corrupt, {"config.json", "'seq_length'", "2 or more", "found 1"});
}

}  // namespace
}  // namespace ingot
