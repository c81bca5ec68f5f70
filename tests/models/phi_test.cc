#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(PhiTest, GoldenCase) { check_golden("phi-partial-rotary"); }
TEST(PhiTest, SmallCase) { check_golden("phi-tiny"); }
TEST(PhiTest, GgufHoldsTheSame) {
  check_gguf_of("phi-tiny", "phi2");
  check_gguf_of("phi-partial-rotary", "phi2");
}

// The first converters wrote one tensor of query, key and value.
TEST(PhiTest, OlderGgufFiles) {
  if (!has_golden("phi-partial-rotary")) return;
  const ScratchDirectory dir;
  const ModelSource source = open_model_source(golden_path("phi-partial-rotary"));
  write_gguf_of(source, dir / "apart.gguf", "phi2");
  const auto apart = GgufFile::open(dir / "apart.gguf");
  GgufWriter writer;
  for (const GgufValue& value : apart->metadata()) writer.add_value(value);
  std::deque<std::string> kept;
  for (const std::string& name : apart->names()) {
    const WeightInfo& info = apart->require(name);
    const size_t at = name.find("attn_q.");
    if (at != std::string::npos) {
      Shape shape = info.shape;
      shape[0] = 0;
      kept.emplace_back();
      for (const char* part : {"attn_q.", "attn_k.", "attn_v."}) {
        const WeightInfo& piece = apart->require(name.substr(0, at) + part + name.substr(at + 7));
        shape[0] += piece.shape[0];
        kept.back().append(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
      }
      writer.add_tensor(name.substr(0, at) + "attn_qkv." + name.substr(at + 7), info.type, shape,
                        as_bytes(kept.back()));
    } else if (name.find("attn_k.") == name.npos && name.find("attn_v.") == name.npos) {
      writer.add_tensor(name, info.type, info.shape, info.bytes);
    }
  }
  ASSERT_EQ(kept.size(), 4u) << "weights and biases of two layers";
  writer.write(dir / "joined.gguf");
  expect_same_weights(source, open_model_source(dir / "joined.gguf"));
}

TEST(PhiTest, RotationsOfEveryKeyStyle) {
  if (!has_golden("phi-partial-rotary")) return;
  ModelSource source = open_model_source(golden_path("phi-partial-rotary"));
  const auto rotated = [&] {
    const Json c = model_config(source, find_model("phi"));
    return c["partial_rotary_factor"].get<double>();
  };
  source.config["partial_rotary_factor"] = 0.25;
  EXPECT_EQ(rotated(), 0.25);
  source.config.erase("partial_rotary_factor");
  EXPECT_EQ(rotated(), 0.5) << "the class's default";
  source.config["rope_parameters"] = {{"rope_theta", 10000.0}, {"partial_rotary_factor", 1.0}};
  EXPECT_EQ(rotated(), 1);
  const ScratchDirectory dir;
  write_gguf_of(source, dir / "whole.gguf", "phi2");
  expect_same_weights(source, open_model_source(dir / "whole.gguf"));
}

TEST(PhiTest, TheHeadHasABias) {
  if (!has_golden("phi-partial-rotary")) return;
  HfVariant v("phi-partial-rotary");
  for (const bool tied : {false, true}) {
    v.config["tie_word_embeddings"] = tied;
    if (tied) v.tensors.erase("lm_head.weight");
    const ScratchDirectory dir;
    v.write(dir);
    const auto graph = build_model(open_model_source(dir.path()), {});
    const Node& head = *graph->at(graph->find("logits")).producer;
    ASSERT_EQ(head.inputs.size(), 3u);
    EXPECT_EQ(graph->at(head.inputs[1]).name,
              tied ? "model.embed_tokens.weight" : "lm_head.weight");
    EXPECT_EQ(graph->at(head.inputs[2]).name, "lm_head.bias");
  }
}

TEST(PhiTest, ConfigFaultsAreNamed) {
  if (!has_golden("phi-partial-rotary")) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "phi-partial-rotary",
      {{"qk_layernorm", true, unsupported, {"config.json", "qk_layernorm", "expected false"}},
       {"partial_rotary_factor", 1.5, unsupported, {"config.json", "partial_rotary_factor"}},
       {"partial_rotary_factor", -0.5, corrupt, {"config.json", "partial_rotary_factor"}},
       {"num_key_value_heads", 3, corrupt, {"config.json", "num_key_value_heads", "a divisor"}},
       {"num_key_value_heads", 1, corrupt, {"model.safetensors", "k_proj.weight", "64"}},
       {"hidden_act", "sine", unsupported, {"config.json", "hidden_act", "sine"}},
       {"layer_norm_eps", 1.0, corrupt, {"config.json", "layer_norm_eps"}},
       {"intermediate_size", 300, corrupt, {"model.safetensors", "mlp.fc1", "300"}}});
}

}  // namespace
}  // namespace ingot
