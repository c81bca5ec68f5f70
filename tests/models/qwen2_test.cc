#include "tests/models/golden_models.h"

namespace ingot {
namespace {

TEST(Qwen2Test, GgufAndCheckpointHoldTheSame) {
  check_golden_sources("qwen2-tied", "qwen2", false);
}

TEST(Qwen2Test, TheHeadIsTheEmbeddingAndProjectionsHaveBiases) {
  const auto graph = build_model(open_model_source(golden_path("qwen2-tied")), {});
  int embedding = kNoValue, head = kNoValue, biases = 0;
  for (const Node& node : graph->nodes()) {
    if (node.op == "embedding") embedding = node.inputs[1];
    if (node.op == "linear") head = node.inputs[1];
    biases += node.op == "linear" && node.inputs.size() > 2;
  }
  EXPECT_EQ(embedding, head);
  EXPECT_EQ(biases, 3 * 2) << "q, k and v of two layers";
}

TEST(Qwen2Test, WindowsOnSomeLayersAreRefused) {
  check_config_faults("qwen2-tied",
                      {{"tie_word_embeddings",
                        "yes",
                        ErrorCode::kCorrupt,
                        {"config.json", "'tie_word_embeddings'", "found string"}},
                       {"tie_word_embeddings", false, ErrorCode::kNotFound, {"lm_head.weight"}}});
}

}  // namespace
}  // namespace ingot
