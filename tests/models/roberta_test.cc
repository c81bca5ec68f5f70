#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(RobertaTest, GoldenCase) { check_golden("roberta"); }

// llama.cpp calls it BERT; its files lack the rows before the first position, and have one type.
TEST(RobertaTest, GgufIsBert) {
  const ScratchDirectory dir;
  const ModelSource source = open_model_source(golden_path("roberta"));
  write_gguf_of(source, dir / "model.gguf", "bert");
  const ModelSource file = open_model_source(dir / "model.gguf");
  EXPECT_EQ(model_config(file, find_model(file))["type_vocab_size"], 1);
  expect_same_weights(source, file);
}

// Rows up to the padding's stand before the first position, as the config says.
TEST(RobertaTest, PositionsBeginBehindThePadding) {
  const ModelSource source = open_model_source(golden_path("roberta"));
  const ModelDef& model = find_model(source);
  const Json config = model_config(source, model);
  EXPECT_EQ(config["max_position_embeddings"], 64);
  const auto weights = canonical_weights(source, model, config);
  const WeightInfo& ours = weights->require("embeddings.position_embeddings.weight", {64, 64});
  const WeightInfo& stored = source.weights->require("embeddings.position_embeddings.weight");
  const size_t row = ours.bytes.size() / 64;
  EXPECT_TRUE(std::ranges::equal(ours.bytes, stored.bytes.subspan(2 * row)));
}

TEST(RobertaTest, ConfigFaults) {
  check_config_faults("roberta", {{"max_position_embeddings",
                                   2,
                                   ErrorCode::kUnsupported,
                                   {"max_position_embeddings", "more than 2", "found 2"}},
                                  {"is_decoder", true, ErrorCode::kUnsupported, {"is_decoder"}}});
}

}  // namespace
}  // namespace ingot
