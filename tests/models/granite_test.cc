#include "tests/models/golden_run.h"

namespace ingot {
namespace {

// A Llama golden is a Granite whose weights undo its factors.
TEST(GraniteTest, GoldenCase) { check_golden("granite"); }

TEST(GraniteTest, ALlamaInItsTerms) {
  HfVariant v("llama-mha");
  v.config["architectures"] = {"GraniteForCausalLM"};
  v.config["embedding_multiplier"] = 12.0;
  v.config["residual_multiplier"] = 0.22;
  v.config["attention_multiplier"] = 0.015625;  // an eighth of 1 / sqrt(64)
  v.config["logits_scaling"] = 16.0;
  v.widen();
  v.map("embed_tokens.weight", [](float x) { return x / 12; });
  v.map("o_proj.weight", [](float x) { return x / 0.22f; });
  v.map("down_proj.weight", [](float x) { return x / 0.22f; });
  v.map("q_proj.weight", [](float x) { return x * 8; });
  v.map("lm_head.weight", [](float x) { return x * 16; });
  v.check();
  const ScratchDirectory dir;
  v.write(dir);
  const ModelSource source = open_model_source(dir.path());
  const auto heads = [](const WeightName& name) -> int64_t {
    return name.hf.find("q_proj") != name.hf.npos || name.hf.find("k_proj") != name.hf.npos ? 2 : 0;
  };
  write_gguf_of(source, dir / "model.gguf", "granite", {.heads = heads});
  expect_same_weights(source, open_model_source(dir / "model.gguf"));
}

TEST(GraniteTest, FactorsThatAreNotStated) {
  ModelSource source = open_model_source(golden_path("llama-mha"));
  const ModelDef& model = find_model("GraniteForCausalLM");
  const Json config = model_config(source, model);
  for (const char* key :
       {"embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling"}) {
    EXPECT_EQ(config[key], 1) << key;
  }
  const ScratchDirectory dir;
  write_golden_gguf(golden_path("llama-mha"), dir / "model.gguf", "granite", true);
  const ModelSource gguf = open_model_source(dir / "model.gguf");
  EXPECT_EQ(model_config(gguf, find_model(gguf))["attention_multiplier"], 0.125);
  const auto rotations = [&](std::optional<bool> stated) {
    write_golden_gguf(golden_path("llama-mha"), dir / "other.gguf", "granite", true,
                      [&](GgufWriter& writer) {
                        if (stated) writer.add_bool("granite.rope.scaling.finetuned", *stated);
                      });
    const auto graph = build_model(open_model_source(dir / "other.gguf"), {});
    return std::count_if(graph->nodes().begin(), graph->nodes().end(),
                         [](const Node& node) { return node.op == "rope"; });
  };
  EXPECT_EQ(rotations(std::nullopt), 4);
  EXPECT_EQ(rotations(true), 4);
  EXPECT_EQ(rotations(false), 0) << "no positions";
}

TEST(GraniteTest, ConfigFaultsAreNamed) {
  ModelSource source = open_model_source(golden_path("llama-mha"));
  const ModelDef& model = find_model("GraniteForCausalLM");
  for (const char* key :
       {"embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling"}) {
    for (const Json& value : {Json(0), Json(-1), Json("one")}) {
      ModelSource wrong = source;
      wrong.config[key] = value;
      expect_error([&] { model_config(wrong, model); }, ErrorCode::kCorrupt, {"config.json", key});
    }
  }
}

}  // namespace
}  // namespace ingot
