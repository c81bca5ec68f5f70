#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(OptTest, GoldenCase) { check_golden("opt"); }
TEST(OptTest, SmallCase) { check_golden("opt-tiny"); }
TEST(OptTest, PostNormCase) { check_golden("opt-post-norm"); }

TEST(OptTest, GgufIsRefused) {
  if (!has_golden("opt")) return;
  const ScratchDirectory dir;
  write_gguf_of(open_model_source(golden_path("opt")), dir / "model.gguf", "opt");
  expect_error([&] { build_model(open_model_source(dir / "model.gguf"), {}); },
               ErrorCode::kUnsupported, {"model.gguf", "general.architecture", "opt"});
}

// `rows` x `columns` with ones on the diagonal, in bfloat16.
std::string diagonal(int64_t rows, int64_t columns) {
  constexpr uint16_t kOne = 0x3f80;
  std::vector<uint16_t> out(static_cast<size_t>(rows * columns));
  for (int64_t i = 0; i < std::min(rows, columns); ++i) {
    out[static_cast<size_t>(i * columns + i)] = kOne;
  }
  return {reinterpret_cast<const char*>(out.data()), out.size() * sizeof(uint16_t)};
}

// Embeddings twice as wide, half of them zeros, between projections that pass the first half on.
TEST(OptTest, ProjectedEmbeddings) {
  if (!has_golden("opt")) return;
  HfVariant v("opt");
  const int64_t hidden = v.config["hidden_size"], wide = 2 * hidden;
  v.config["word_embed_proj_dim"] = wide;
  v.tensors["model.decoder.project_in.weight"] = {{hidden, wide}, diagonal(hidden, wide)};
  v.tensors["model.decoder.project_out.weight"] = {{wide, hidden}, diagonal(wide, hidden)};
  auto& [shape, bytes] = v.tensors.at("model.decoder.embed_tokens.weight");
  const auto row = static_cast<size_t>(2 * hidden);
  std::string padded;
  for (size_t at = 0; at < bytes.size(); at += row) {
    padded += bytes.substr(at, row) + std::string(row, '\0');
  }
  shape[1] = wide;
  bytes = padded;
  v.check();
}

// The operators of the first layer in order, without those of the cache.
std::vector<std::string> first_layer(const ModelSource& source) {
  std::vector<std::string> out;
  const auto graph = build_model(source, {});
  for (const Node& node : graph->nodes()) {
    if (node.origin == "layer 0" && node.op != "kv_append") out.push_back(node.op);
  }
  return out;
}

TEST(OptTest, NormsMayStandBehind) {
  if (!has_golden("opt")) return;
  ModelSource source = open_model_source(golden_path("opt"));
  const std::vector<std::string> before = {"layer_norm",      "linear", "linear", "linear",
                                           "paged_attention", "linear", "add",    "layer_norm",
                                           "linear",          "relu",   "linear", "add"};
  const std::vector<std::string> behind = {"linear", "linear", "linear",     "paged_attention",
                                           "linear", "add",    "layer_norm", "linear",
                                           "relu",   "linear", "add",        "layer_norm"};
  EXPECT_EQ(first_layer(source), before);
  source.config["do_layer_norm_before"] = false;
  EXPECT_EQ(first_layer(source), behind);
  const auto final_norm = [&] {
    const ModelDef& model = find_model("opt");
    return canonical_weights(source, model, model_config(source, model))
        ->contains("decoder.final_layer_norm.weight");
  };
  EXPECT_FALSE(final_norm());
  source.config["do_layer_norm_before"] = true;
  EXPECT_TRUE(final_norm());
  source.config["_remove_final_layer_norm"] = true;
  EXPECT_FALSE(final_norm());
  const ScratchDirectory dir;
  convert_model(source, {}, dir / "checkpoint");
  expect_same_weights(source, open_model_source(dir / "checkpoint"));
}

// Galactica's: neither biases nor numbers of the norms.
TEST(OptTest, FewerWeights) {
  if (!has_golden("opt")) return;
  ModelSource source = open_model_source(golden_path("opt"));
  source.config["enable_bias"] = false;
  source.config["layer_norm_elementwise_affine"] = false;
  source.config["activation_function"] = "gelu";
  const auto graph = build_model(source, {});
  int norms = 0, layers = 0;
  for (const Node& node : graph->nodes()) {
    if (node.op == "layer_norm") EXPECT_EQ(node.inputs.size(), 1u);
    if (node.op == "linear") EXPECT_EQ(node.inputs.size(), 2u);
    norms += node.op == "layer_norm";
    layers += node.op == "gelu";
  }
  EXPECT_EQ(norms, 5);
  EXPECT_EQ(layers, 2);
  const ScratchDirectory dir;
  convert_model(source, {}, dir / "checkpoint");
  expect_same_weights(source, open_model_source(dir / "checkpoint"));
}

// Names without "model." and the first configs' name of the width.
TEST(OptTest, OlderFiles) {
  if (!has_golden("opt")) return;
  const ModelSource source = open_model_source(golden_path("opt"));
  auto bare = std::make_shared<WeightTable>("bare.safetensors");
  for (const std::string& name : source.weights->names()) {
    WeightInfo info = source.weights->require(name);
    ASSERT_TRUE(name.starts_with("model."));
    info.name = name.substr(std::strlen("model."));
    bare->add(info);
  }
  ModelSource other = source;
  other.weights = bare;
  other.config["d_model"] = other.config["hidden_size"];
  other.config.erase("hidden_size");
  other.config.erase("word_embed_proj_dim");
  expect_same_weights(source, other);
}

TEST(OptTest, ConfigFaultsAreNamed) {
  if (!has_golden("opt")) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "opt",
      {{"hidden_size", nullptr, corrupt, {"config.json", "'hidden_size' is missing"}},
       {"ffn_dim", nullptr, corrupt, {"config.json", "'intermediate_size' is missing"}},
       {"activation_function", "sine", unsupported, {"config.json", "hidden_act", "sine"}},
       {"do_layer_norm_before", 1, corrupt, {"config.json", "do_layer_norm_before"}},
       {"max_position_embeddings", 255, corrupt, {"embed_positions.weight", "257", "258"}},
       {"word_embed_proj_dim", 64, corrupt, {"embed_tokens.weight", "64"}},
       {"num_attention_heads", 3, corrupt, {"config.json", "num_attention_heads", "a divisor"}},
       {"tie_word_embeddings", false, ErrorCode::kNotFound, {"lm_head.weight"}}});
}

}  // namespace
}  // namespace ingot
