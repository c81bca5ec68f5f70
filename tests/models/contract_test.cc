// What the contract gives to every model: config keys, GGUF transforms.
#include <cstring>

#include "loaders/gguf_writer.h"
#include "models/contract/model_def.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

using Type = ConfigKey::Type;

const std::vector<ConfigKey>& odd_keys() {
  static const std::vector<ConfigKey> keys = {
      {"n_embd", "hidden_size", "embedding_length", Type::kInt, true},
      {"spread", "spread_factor", "spread", Type::kFloat, false, 2.5},
      {"pattern", "layer_pattern", "layer_pattern"},
      {"only_here", ""}};
  return keys;
}

ModelSource gguf_source(const ScratchDirectory& dir, bool whole) {
  const std::vector<float> table(12);
  GgufWriter writer;
  writer.add_string("general.architecture", "odd");
  for (const char* key : {"odd.context_length", "odd.block_count", "odd.attention.head_count",
                          "odd.feed_forward_length"}) {
    writer.add_uint32(key, 4);
  }
  writer.add_float32("odd.attention.layer_norm_rms_epsilon", 0.25f);
  if (whole) writer.add_uint32("odd.embedding_length", 6);
  writer.add_int32s("odd.layer_pattern", std::vector<int32_t>{1, 0, 1});
  writer.add_tensor("token_embd.weight", DType::kFloat32, {2, 6}, std::as_bytes(std::span(table)));
  writer.write(dir / (whole ? "whole.gguf" : "part.gguf"));
  return open_model_source(dir / (whole ? "whole.gguf" : "part.gguf"));
}

TEST(ConfigKeysTest, AModelRenamesACommonFieldAndAddsItsOwn) {
  const ScratchDirectory dir;
  const std::vector<ConfigKey> keys = all_keys(odd_keys());
  EXPECT_EQ(keys.size(), common_keys().size() + 3);  // hidden_size is replaced
  const Json config = source_config(gguf_source(dir, true), keys);
  EXPECT_EQ(config["n_embd"], 6);
  EXPECT_FALSE(config.contains("hidden_size"));
  EXPECT_EQ(config["spread"], 2.5);
  EXPECT_EQ(config["pattern"], Json({1, 0, 1}));
  EXPECT_EQ(config["rms_norm_eps"], 0.25);
  EXPECT_EQ(config["vocab_size"], 2);
  EXPECT_EQ(config["tie_word_embeddings"], true);
  expect_error([&] { source_config(gguf_source(dir, false), keys); }, ErrorCode::kCorrupt,
               {"part.gguf", "'odd.embedding_length'"});

  // There and back through a checkpoint; what the model does not declare is not seen.
  Json stored = checkpoint_fields(config, keys);
  EXPECT_EQ(stored["hidden_size"], 6);
  EXPECT_EQ(stored["spread_factor"], 2.5);
  EXPECT_EQ(stored["norm_epsilon"], 0.25);
  EXPECT_FALSE(stored.contains(""));
  stored["stranger"] = 1;
  stored["layer_pattern"] = nullptr;
  ModelSource checkpoint;
  checkpoint.kind = ModelSourceKind::kCheckpoint;
  checkpoint.config = stored;
  Json expected = config;
  expected.erase("pattern");
  const Json again = source_config(checkpoint, keys);
  for (const auto& [key, value] : expected.items()) EXPECT_EQ(again[key], value) << key;
  EXPECT_EQ(again.size(), expected.size());
}

std::vector<float> values_of(const WeightInfo& info) {
  std::vector<float> out(static_cast<size_t>(info.elements()));
  std::memcpy(out.data(), info.bytes.data(), info.bytes.size());
  return out;
}

TEST(GgufTransformTest, EachUndoesWhatItSays) {
  std::vector<float> numbers(12);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  const WeightInfo stored{"w", DType::kFloat32, {6, 2}, std::as_bytes(std::span(numbers))};
  WeightTable keep("test");
  using Values = std::vector<float>;

  EXPECT_FALSE(unpermute_heads(0).apply);
  // GGUF keeps the rows of this one head as 0, 3, 1, 4, 2, 5.
  EXPECT_EQ(values_of(unpermute_heads(1).apply(stored, keep)),
            (Values{0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11}));
  const auto less = map_elements([](float x) { return x - 1; }).apply(stored, keep);
  EXPECT_EQ(values_of(less), (Values{-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  const GgufTransform flip = transpose_matrix(2, 6);
  EXPECT_EQ(flip.shape, (Shape{6, 2}));
  const WeightInfo flipped = flip.apply(stored, keep);
  EXPECT_EQ(flipped.shape, (Shape{2, 6}));
  EXPECT_EQ(values_of(flipped), (Values{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11}));
  const GgufTransform middle = take_rows(2, 3, {6, 2});
  EXPECT_EQ(middle.shape, (Shape{6, 2}));
  const WeightInfo rows = middle.apply(stored, keep);
  EXPECT_EQ(rows.shape, (Shape{3, 2}));
  EXPECT_EQ(values_of(rows), (Values{4, 5, 6, 7, 8, 9}));

  const BlockFormat& q4 = *find_block_format("q4_0");
  const std::vector<std::byte> blocks(static_cast<size_t>(ElementType(q4).bytes(64)));
  const WeightInfo vector{"b", ElementType(q4), {64}, blocks};
  expect_error([&] { unpermute_heads(1).apply(vector, keep); }, ErrorCode::kUnsupported,
               {"test", "'b'", "floats", "q4_0"});
  const WeightInfo matrix{"m", ElementType(q4), {2, 32}, blocks};
  expect_error([&] { transpose_matrix(32, 2).apply(matrix, keep); }, ErrorCode::kUnsupported,
               {"'m'", "q4_0"});
}

TEST(RegisterModelTest, NamesAreTakenOnce) {
  static const ModelDef twin = {.name = "llama_twin",
                                .architectures = {"LlamaForCausalLM"},
                                .parse_config = nullptr,
                                .weights = nullptr,
                                .build = nullptr};
  expect_error([] { register_model(twin); }, ErrorCode::kInvalidArgument, {"LlamaForCausalLM"});
  EXPECT_EQ(find_model("LlamaForCausalLM").name, "llama");
  expect_error([] { find_model("llama_twin"); }, ErrorCode::kUnsupported, {"llama_twin"});
}

}  // namespace
}  // namespace ingot
