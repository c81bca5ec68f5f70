#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(FalconTest, GoldenCase) { check_golden("falcon-mqa"); }
TEST(FalconTest, SmallCase) { check_golden("falcon-mqa-tiny"); }
TEST(FalconTest, GroupsOfHeadsCase) { check_golden("falcon-new"); }
TEST(FalconTest, LinearBiasesCase) { check_golden("falcon-rw"); }
TEST(FalconTest, GgufHoldsTheSame) {
  check_gguf_of("falcon-mqa-tiny", "falcon");
  check_gguf_of("falcon-mqa", "falcon");
}

// 40B's: a norm for attention and one for the MLP, here with the same numbers; one group of heads.
TEST(FalconTest, GroupsOfHeadsAndTwoNorms) {
  if (!has_golden("falcon-mqa")) return;
  HfVariant v("falcon-mqa");
  v.config["new_decoder_architecture"] = true;
  v.config["num_kv_heads"] = 1;
  for (int64_t i = 0; i < v.layers(); ++i) {
    const std::string p = fmt::format("transformer.h.{}.", i);
    for (const char* end : {".weight", ".bias"}) {
      const auto norm = v.tensors.extract(p + "input_layernorm" + end).mapped();
      v.tensors[p + "ln_attn" + end] = v.tensors[p + "ln_mlp" + end] = norm;
    }
  }
  v.check();
  // As it was first published.
  v.config["architectures"] = {"RWForCausalLM"};
  v.config["model_type"] = "RefinedWeb";
  v.config["n_head_kv"] = v.config["num_kv_heads"];
  for (const char* key : {"new_decoder_architecture", "num_kv_heads", "multi_query"}) {
    v.config.erase(key);
  }
  v.check();
}

// RW's: each head has a key and a value beside its query, here all the same ones.
TEST(FalconTest, EveryHeadItsOwnKeys) {
  if (!has_golden("falcon-mqa")) return;
  HfVariant v("falcon-mqa");
  v.config["multi_query"] = false;
  const int64_t heads = v.config["num_attention_heads"], hidden = v.config["hidden_size"];
  const auto part = static_cast<size_t>(hidden / heads * hidden * 2);  // bytes of a head's rows
  for (int64_t i = 0; i < v.layers(); ++i) {
    auto& [shape, bytes] =
        v.tensors.at(fmt::format("transformer.h.{}.self_attention.query_key_value.weight", i));
    const auto count = static_cast<size_t>(heads);
    const std::string key = bytes.substr(count * part, part),
                      value = bytes.substr((count + 1) * part, part);
    std::string by_head;
    for (size_t h = 0; h < count; ++h) by_head += bytes.substr(h * part, part) + key + value;
    bytes = by_head;
    shape[0] = 3 * hidden;
  }
  v.check();
}

TEST(FalconTest, LinearBiasesAreScaledWithTheScores) {
  if (!has_golden("falcon-mqa")) return;
  ModelSource source = open_model_source(golden_path("falcon-mqa"));
  source.config["alibi"] = true;
  const auto graph = build_model(source, {});
  int attentions = 0;
  for (const Node& node : graph->nodes()) {
    EXPECT_NE(node.op, "rope");
    if (node.op != "paged_attention") continue;
    ++attentions;
    ASSERT_EQ(node.inputs.size(), 9u);
    const TensorView& slopes = *graph->constant(node.inputs[8]);
    EXPECT_EQ(slopes.as<float>()[0], 0.0625f / 8);  // heads of 64
    EXPECT_EQ(slopes.as<float>()[1], 0.00390625f / 8);
  }
  EXPECT_EQ(attentions, 2);
  const ScratchDirectory dir;
  convert_model(source, {}, dir / "checkpoint");
  const ModelSource checkpoint = open_model_source(dir / "checkpoint");
  EXPECT_EQ(checkpoint.config["position_embedding_type"], "alibi");
  expect_same_weights(source, checkpoint);
}

TEST(FalconTest, BlocksMayBeInSequence) {
  if (!has_golden("falcon-mqa")) return;
  check_config_faults(
      "falcon-mqa",
      {{"parallel_attn", false, ErrorCode::kNotFound, {"h.0.post_attention_layernorm.weight"}},
       {"bias", true, ErrorCode::kNotFound, {"query_key_value.bias"}},
       {"activation", "sine", ErrorCode::kUnsupported, {"config.json", "hidden_act", "sine"}}});
}

}  // namespace
}  // namespace ingot
