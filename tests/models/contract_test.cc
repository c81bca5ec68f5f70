// What the contract gives to every model: config keys, names, tied heads.
#include "loaders/gguf_writer.h"
#include "models/contract/model_def.h"
#include "tests/models/golden_run.h"

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

// Files of one architecture with and without a prefix, one tensor of each kind.
TEST(WeightNamesTest, PrefixesAreTriedInOrder) {
  ModelDef model;
  model.name = "prefixed";
  model.hf_prefixes = {"transformer.", ""};
  model.ignored = {"*.attn.bias", "h.*.masked"};
  model.weights = [](const Json&) -> std::vector<WeightName> {
    return {{"wte.weight", "token_embd", "embedding", {2}},
            {"head.weight", "output", "head", {2}},
            {"bias", "bias", "bias", {2}, true}};
  };
  const std::vector<float> ones = {1, 1}, twos = {2, 2};
  const auto source = [&](const std::vector<std::pair<std::string, const float*>>& tensors,
                          ModelSourceKind kind) {
    auto table = std::make_shared<WeightTable>("some.file");
    for (const auto& [name, data] : tensors) {
      table->add({name, DType::kFloat32, {2}, std::as_bytes(std::span(data, 2))});
    }
    ModelSource out;
    out.kind = kind;
    out.weights = table;
    return out;
  };
  const auto hf = ModelSourceKind::kHuggingFace;
  const float *one = ones.data(), *two = twos.data();
  const auto first = [&](const ModelSource& s, const char* name) {
    return *reinterpret_cast<const float*>(
        canonical_weights(s, model, {})->require(name).bytes.data());
  };
  EXPECT_EQ(
      first(source({{"transformer.wte.weight", one}, {"head.weight", two}}, hf), "wte.weight"), 1);
  const ModelSource both =
      source({{"wte.weight", two}, {"transformer.wte.weight", one}, {"head.weight", two}}, hf);
  EXPECT_EQ(first(both, "wte.weight"), 1);
  const ModelSource bare = source({{"wte.weight", two}, {"head.weight", one}}, hf);
  EXPECT_EQ(first(bare, "wte.weight"), 2);
  EXPECT_EQ(first(bare, "head.weight"), 1);
  EXPECT_FALSE(canonical_weights(bare, model, {})->contains("bias"));
  expect_error(
      [&] {
        canonical_weights(source({{"wte.weight", one}}, hf), model, {});
      },
      ErrorCode::kNotFound, {"some.file", "transformer.head.weight"});

  // A GGUF file may hold no stranger but those that are known to mean nothing.
  const auto gguf = ModelSourceKind::kGguf;
  EXPECT_EQ(
      canonical_weights(
          source(
              {{"token_embd", one}, {"output", two}, {"h.0.attn.bias", one}, {"h.12.masked", one}},
              gguf),
          model, {})
          ->names()
          .size(),
      2u);
  for (const char* stranger : {"h.0.attn.bias2", "masked", "h.masked"}) {
    expect_error(
        [&] {
          canonical_weights(source({{"token_embd", one}, {"output", two}, {stranger, one}}, gguf),
                            model, {});
        },
        ErrorCode::kUnsupported, {"some.file", stranger});
  }
}

TEST(WeightNamesTest, OtherLayoutsAreTakenWhereTheFirstIsNotThere) {
  ModelDef model;
  model.name = "layouts";
  model.hf_prefixes = {"model."};
  model.weights = [](const Json&) -> std::vector<WeightName> {
    return {{.hf = "gate",
             .gguf = "ffn_gate",
             .checkpoint = "mlp.fc",
             .shape = {2},
             .or_from_gguf = {take_rows(2, 2, {4}).of("ffn_up")},
             .or_from_hf = {WeightTransform().of("old"), take_rows(0, 2, {4}).of("both")}}};
  };
  const std::vector<float> numbers = {1, 2, 3, 4};
  const auto first = [&](const char* name, int64_t count, ModelSourceKind kind) {
    auto table = std::make_shared<WeightTable>("some.file");
    table->add({name,
                DType::kFloat32,
                {count},
                std::as_bytes(std::span(numbers)).first(static_cast<size_t>(count) * 4)});
    ModelSource source;
    source.kind = kind;
    source.weights = table;
    return *reinterpret_cast<const float*>(
        canonical_weights(source, model, {})->require("gate", {2}).bytes.data());
  };
  const auto hf = ModelSourceKind::kHuggingFace, gguf = ModelSourceKind::kGguf;
  EXPECT_EQ(first("model.gate", 2, hf), 1);
  EXPECT_EQ(first("model.old", 2, hf), 1);
  EXPECT_EQ(first("model.both", 4, hf), 1);
  EXPECT_EQ(first("ffn_gate", 2, gguf), 1);
  EXPECT_EQ(first("ffn_up", 4, gguf), 3);
  expect_error([&] { first("model.other", 2, hf); }, ErrorCode::kNotFound,
               {"some.file", "model.gate"});
  expect_error([&] { first("model.both", 3, hf); }, ErrorCode::kCorrupt, {"model.both", "[4]"});
}

// A file may keep a head although its config ties it to the embedding.
TEST(TiedHeadTest, AStoredHeadThatDiffersIsTheHead) {
  const std::vector<std::array<std::string, 3>> goldens = {
      {"qwen2-tied", "model.embed_tokens.weight", "qwen2"},
      {"gemma2-tiny", "model.embed_tokens.weight", "gemma2"}};
  for (const auto& [golden, embedding, architecture] : goldens) {
    SCOPED_TRACE(golden);
    HfVariant v(golden);
    auto& head = v.tensors["lm_head.weight"] = v.tensors.at(embedding);
    const auto head_of = [&] {
      const ScratchDirectory dir;
      v.write(dir);
      const auto graph = build_model(open_model_source(dir.path()), {});
      const Node* last = graph->at(graph->find("logits")).producer;
      while (last->op != "linear") last = graph->at(last->inputs[0]).producer;
      const Value& weight = graph->at(last->inputs[1]);
      const auto bytes = weight.weight.segments[0]->bytes;
      const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return std::pair(weight.name, text);
    };
    EXPECT_THAT(head_of().first, testing::HasSubstr("embed_tokens")) << "the same numbers";
    head.second[head.second.size() - 2] ^= 1;
    EXPECT_EQ(head_of(), std::pair(std::string("lm_head.weight"), head.second));
    head.first = {head.first[0] - 1, head.first[1]};
    head.second.resize(head.second.size() - static_cast<size_t>(head.first[1]) * 2);
    expect_error([&] { head_of(); }, ErrorCode::kCorrupt, {"lm_head.weight", "expected shape"});
  }
}

TEST(FindModelTest, AClaimGoesBeforeTheName) {
  static const ModelDef claimer = {.name = "claimer",
                                   .architectures = {},
                                   .claims =
                                       [](const ModelSource& source) {
                                         return source.architecture == "llama" &&
                                                source.path == "claimed.gguf";
                                       },
                                   .parse_config = nullptr,
                                   .weights = nullptr,
                                   .build = nullptr};
  register_model(claimer);
  ModelSource source;
  source.architecture = "llama";
  source.path = "other.gguf";
  EXPECT_EQ(find_model(source).name, "llama");
  source.path = "claimed.gguf";
  EXPECT_EQ(find_model(source).name, "claimer");
  source.architecture = "unheard_of";
  expect_error([&] { find_model(source); }, ErrorCode::kUnsupported,
               {"claimed.gguf", "unheard_of", "LlamaForCausalLM"});
}

}  // namespace
}  // namespace ingot
