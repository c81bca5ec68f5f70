#include "capi/examine.h"

#include <gmock/gmock.h>

#include "loaders/gguf_writer.h"
#include "tests/models/golden_models.h"

namespace ingot {
namespace {

using testing::ElementsAre;

class ExamineTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* file : {"config.json", "model.safetensors"}) {
      std::filesystem::copy_file(golden_path("llama-mha") + "/" + file, dir_ / file);
    }
  }
  void change(const Json& values) {
    Json config = parse_json(read_file(dir_ / "config.json"), "test", "config");
    config.update(values);
    dir_.write("config.json", config.dump());
  }
  // "kind where" of each refusal.
  std::vector<std::string> examine() {
    RefusalList refused;
    const auto graph = examine_source(open_model_source(dir_.path()), refused);
    if (refused.empty()) {
      EXPECT_TRUE(graph);
    }
    std::vector<std::string> out;
    for (const Refusal& refusal : refused.items())
      out.push_back(refusal.kind + " " + refusal.where);
    return out;
  }
  ScratchDirectory dir_;
};

TEST_F(ExamineTest, NothingIsInTheWay) { EXPECT_THAT(examine(), ElementsAre()); }

TEST_F(ExamineTest, EveryValueOfTheConfig) {
  change({{"hidden_act", "tanh"},
          {"rms_norm_eps", -1},
          {"torch_dtype", "float8"},
          {"attention_bias", "yes"},
          {"rope_scaling", {{"rope_type", "spiral"}}},
          {"partial_rotary_factor", 0.5},
          {"quantization_config", {{"quant_method", "awq"}}}});
  EXPECT_THAT(examine(), testing::UnorderedElementsAre(
                             "config hidden_act", "config rms_norm_eps", "config torch_dtype",
                             "config attention_bias", "config rope_type",
                             "config quantization_config", "config partial_rotary_factor"));
  change({{"rope_scaling", {{"rope_type", "longrope"}}}});
  EXPECT_THAT(examine(),
              testing::IsSupersetOf({"config rope_scaling", "config partial_rotary_factor"}));
}

// What follows from a wrong size is no fault of its own.
TEST_F(ExamineTest, SizesStandInForRefusedOnes) {
  change({{"hidden_size", -1}, {"num_attention_heads", "many"}, {"vocab_size", nullptr}});
  EXPECT_THAT(examine(),
              ElementsAre("config hidden_size", "config vocab_size", "config num_attention_heads"));
  change({{"hidden_size", 64}, {"num_attention_heads", 4}, {"num_hidden_layers", 0}});
  EXPECT_THAT(examine(), ElementsAre("config num_hidden_layers", "config vocab_size"));
}

TEST_F(ExamineTest, WeightsBesideValuesThatDoNotDecideThem) {
  change({{"hidden_act", "tanh"}, {"num_hidden_layers", 3}});
  const auto found = examine();
  EXPECT_EQ(found.size(), 1u + 9u);
  EXPECT_EQ(found[0], "config hidden_act");
  EXPECT_THAT(found, testing::Contains("weight model.layers.2.self_attn.q_proj.weight"));
}

TEST_F(ExamineTest, ArchitectureTokenizerAndTemplateTogether) {
  change({{"architectures", {"LlamaForCausalML"}}});
  dir_.write("tokenizer.json",
             R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": [],
                 "normalizer": {"type": "Sequence", "normalizers": [{"type": "A"}, {"type": "B"}]},
                 "pre_tokenizer": {"type": "C"}, "post_processor": null, "decoder": null})");
  dir_.write("chat_template.jinja", "{% if %}");
  RefusalList refused;
  examine_source(open_model_source(dir_.path()), refused);
  std::vector<std::string> texts;
  for (const Refusal& refusal : refused.items()) {
    texts.push_back(refusal.kind + " " + refusal_text(refusal));
  }
  EXPECT_THAT(
      texts,
      ElementsAre(testing::AllOf(testing::StartsWith("architecture 'architecture': expected"),
                                 testing::HasSubstr("did you mean 'LlamaForCausalLM'")),
                  "tokenizer normalizer 'A' is not supported",
                  "tokenizer normalizer 'B' is not supported",
                  "tokenizer pre-tokenizer 'C' is not supported",
                  testing::AllOf(testing::StartsWith("template "), testing::HasSubstr("line 1"))));
}

TEST_F(ExamineTest, SamplingDefaultsOutOfRange) {
  change(Json::object());
  dir_.write("generation_config.json", R"({"repetition_penalty": 0})");
  RefusalList refused;
  examine_source(open_model_source(dir_.path()), refused);
  ASSERT_EQ(refused.items().size(), 1u);
  EXPECT_THAT(refusal_text(refused.items()[0]), testing::HasSubstr("'repetition_penalty'"));
}

TEST_F(ExamineTest, PositionsPastTheLargest) {
  change({{"max_position_embeddings", int64_t{1} << 31}});
  EXPECT_THAT(examine(), ElementsAre("config max_position_embeddings"));
}

TEST(ExamineGgufTest, EveryTensorThatTheArchitectureDoesNotHave) {
  const ScratchDirectory dir;
  const std::string numbers(32 * sizeof(float), '\0');
  write_golden_gguf(golden_path("llama-mha"), dir / "m.gguf", "llama", true, [&](GgufWriter& w) {
    for (const char* name : {"blk.0.strange", "blk.1.strange"}) {
      w.add_tensor(name, DType::kFloat32, {32}, as_bytes(numbers));
    }
  });
  RefusalList refused;
  EXPECT_FALSE(examine_source(open_model_source(dir / "m.gguf"), refused));
  std::vector<std::string> names;
  for (const Refusal& refusal : refused.items()) names.push_back(refusal.where);
  EXPECT_THAT(names, ElementsAre("blk.0.strange", "blk.1.strange"));
}

}  // namespace
}  // namespace ingot
