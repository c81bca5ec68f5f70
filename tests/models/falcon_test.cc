#include "loaders/safetensors.h"
#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(FalconTest, GoldenCase) { check_golden("falcon-mqa"); }
TEST(FalconTest, GgufHoldsTheSame) { check_gguf_of("falcon-mqa", "falcon"); }

// The golden in another of Falcon's layouts: tensors by name, as bytes of bfloat16.
class Variant {
 public:
  Variant() : source_(open_model_source(golden_path("falcon-mqa"))), config(source_.config) {
    for (const std::string& name : source_.weights->names()) {
      const WeightInfo& info = source_.weights->require(name);
      tensors[name] = {info.shape,
                       {reinterpret_cast<const char*>(info.bytes.data()), info.bytes.size()}};
    }
  }
  // The golden's answers must come out.
  void check() {
    const ScratchDirectory dir;
    std::vector<SafetensorsSpec> specs;
    for (const auto& [name, tensor] : tensors) {
      specs.push_back({name, DType::kBFloat16, tensor.first});
    }
    SafetensorsWriter writer(dir / "model.safetensors", specs, {});
    for (const SafetensorsSpec& spec : writer.tensors()) {
      writer.write(as_bytes(tensors.at(spec.name).second));
    }
    writer.commit();
    dir.write("config.json", config.dump());
    copy_answers("falcon-mqa", dir.path());
    check_run(dir.path(), {.dtype = DType::kFloat32});
    const ModelSource source = open_model_source(dir.path());
    convert_model(source, {}, dir / "checkpoint");
    expect_same_weights(source, open_model_source(dir / "checkpoint"));
  }
  int64_t layers() const { return config["num_hidden_layers"]; }

 private:
  ModelSource source_;

 public:
  Json config;
  std::map<std::string, std::pair<Shape, std::string>> tensors;
};

// 40B's: a norm for attention and one for the MLP, here with the same numbers; one group of heads.
TEST(FalconTest, GroupsOfHeadsAndTwoNorms) {
  if (!has_golden("falcon-mqa")) return;
  Variant v;
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
}

// RW's: each head has a key and a value beside its query, here all the same ones.
TEST(FalconTest, EveryHeadItsOwnKeys) {
  if (!has_golden("falcon-mqa")) return;
  Variant v;
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
