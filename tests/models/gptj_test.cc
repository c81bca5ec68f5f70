#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(GptjTest, GoldenCase) { check_golden("gptj"); }
TEST(GptjTest, SmallCase) { check_golden("gptj-tiny"); }

// llama.cpp has no loader for it: nothing says how a file would keep its heads.
TEST(GptjTest, GgufIsRefused) {
  if (!has_golden("gptj")) return;
  const ScratchDirectory dir;
  write_gguf_of(open_model_source(golden_path("gptj")), dir / "model.gguf", "gptj");
  expect_error([&] { build_model(open_model_source(dir / "model.gguf"), {}); },
               ErrorCode::kUnsupported, {"model.gguf", "general.architecture", "gptj"});
}

TEST(GptjTest, NeighboursOfAPartOfEachHeadAreRotated) {
  if (!has_golden("gptj")) return;
  ModelSource source = open_model_source(golden_path("gptj"));
  const auto rotated = [&] {
    std::vector<int64_t> out;
    const auto graph = build_model(source, {});
    for (const Node& node : graph->nodes()) {
      if (node.op != "rope") continue;
      EXPECT_TRUE(attr_or(node.attrs, "interleaved", false));
      out.push_back(2 * graph->constant(node.inputs[2])->elements());
    }
    return out;
  };
  EXPECT_EQ(rotated(), (std::vector<int64_t>{32, 32, 32, 32}));
  // 62 / 64 * 64 and the like must not lose a pair.
  source.config["rotary_dim"] = 62;
  EXPECT_EQ(rotated()[0], 62);
  source.config.erase("rotary_dim");
  EXPECT_EQ(rotated()[0], 64) << "the class's default";
}

// Bare names, with the masks of the first published files; n_ctx in place of n_positions.
TEST(GptjTest, OlderFiles) {
  if (!has_golden("gptj")) return;
  const ModelSource source = open_model_source(golden_path("gptj"));
  auto bare = std::make_shared<WeightTable>("bare.safetensors");
  for (const std::string& name : source.weights->names()) {
    WeightInfo info = source.weights->require(name);
    if (name.starts_with("transformer.")) info.name = name.substr(std::strlen("transformer."));
    bare->add(info);
  }
  bare->add({"h.0.attn.masked_bias", DType::kUInt8, {0}, {}});
  ModelSource other = source;
  other.weights = bare;
  other.config["n_ctx"] = other.config["n_positions"];
  other.config.erase("n_positions");
  expect_same_weights(source, other);
}

// The bias stays where the head is the embedding.
TEST(GptjTest, ATiedHeadHasItsBias) {
  if (!has_golden("gptj")) return;
  HfVariant v("gptj");
  v.tensors["lm_head.weight"] = v.tensors.at("transformer.wte.weight");
  const auto head = [&] {
    const ScratchDirectory dir;
    v.write(dir);
    const auto graph = build_model(open_model_source(dir.path()), {});
    const Node& last = *graph->at(graph->find("logits")).producer;
    std::vector<std::string> out;
    out.reserve(last.inputs.size());
    for (int input : last.inputs) out.push_back(graph->at(input).name);
    return out;
  };
  v.config["tie_word_embeddings"] = false;
  EXPECT_THAT(head(), testing::ElementsAre(testing::_, "lm_head.weight", "lm_head.bias"));
  v.config["tie_word_embeddings"] = true;
  EXPECT_THAT(head(), testing::ElementsAre(testing::_, "wte.weight", "lm_head.bias"));
  v.tensors.erase("lm_head.weight");
  EXPECT_THAT(head(), testing::ElementsAre(testing::_, "wte.weight", "lm_head.bias"));
}

TEST(GptjTest, ConfigFaultsAreNamed) {
  if (!has_golden("gptj")) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "gptj", {{"n_embd", nullptr, corrupt, {"config.json", "'hidden_size' is missing"}},
               {"rotary_dim", 128, corrupt, {"config.json", "rotary_dim", "1 to 64", "128"}},
               {"rotary_dim", 31, unsupported, {"config.json", "rotary_dim", "even", "31"}},
               {"rotary", false, unsupported, {"config.json", "'rotary'", "expected true"}},
               {"activation_function", "tanh", unsupported, {"config.json", "hidden_act", "tanh"}},
               {"n_inner", 256, corrupt, {"model.safetensors", "mlp.fc_in", "256"}},
               {"n_layer", 3, ErrorCode::kNotFound, {"model.safetensors", "h.2.ln_1"}}});
}

}  // namespace
}  // namespace ingot
