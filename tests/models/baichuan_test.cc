#include <bit>
#include <cmath>

#include "tests/models/golden_run.h"

namespace ingot {
namespace {

// 7B turns halves of heads, 13B (here of six heads) has linear biases, Baichuan2's head is
// normalised.
TEST(BaichuanTest, GoldenCaseOf7B) { check_golden("baichuan-7b"); }
TEST(BaichuanTest, GoldenCaseOf13B) { check_golden("baichuan-13b"); }
TEST(BaichuanTest, GoldenCaseOfTheSecond) { check_golden("baichuan2-7b"); }

// A model of `layers` layers, which is how a GGUF file tells what it is.
HfVariant deeper(const std::string& golden, int64_t layers) {
  HfVariant v(golden);
  const auto first = v.tensors;
  for (int64_t i = v.layers(); i < layers; ++i) {
    for (const auto& [name, tensor] : first) {
      const std::string from = "model.layers.0.";
      if (!name.starts_with(from)) continue;
      v.tensors[fmt::format("model.layers.{}.{}", i, name.substr(from.size()))] = tensor;
    }
  }
  v.config["num_hidden_layers"] = layers;
  return v;
}

void write_deep_gguf(const HfVariant& v, const ScratchDirectory& dir) {
  v.write(dir);
  const ModelSource source = open_model_source(dir.path());
  const int64_t heads = v.config["num_attention_heads"];
  const auto permuted = [=](const WeightName& name) {
    const bool turned =
        name.hf.find("q_proj") != name.hf.npos || name.hf.find("k_proj") != name.hf.npos;
    return turned ? heads : 0;
  };
  write_gguf_of(source, dir / "model.gguf", "baichuan", {.heads = permuted});
}

TEST(BaichuanTest, GgufHoldsTheSame) {
  for (const auto& [golden, layers] : {std::pair{"baichuan-7b", 32}, {"baichuan-13b", 40}}) {
    const ScratchDirectory dir;
    write_deep_gguf(deeper(golden, layers), dir);
    expect_same_weights(open_model_source(dir.path()), open_model_source(dir / "model.gguf"));
  }
  const ScratchDirectory dir;
  write_deep_gguf(deeper("baichuan-7b", 33), dir);
  expect_error([&] { build_model(open_model_source(dir / "model.gguf"), {}); },
               ErrorCode::kUnsupported, {"model.gguf", "block_count", "32 (7B) or 40", "found 33"});
}

// llama.cpp's converter leaves the head as it is, so that a file may or may not be Baichuan2's.
TEST(BaichuanTest, AGgufHeadOfTheSecondMustBeNormalised) {
  HfVariant v = deeper("baichuan2-7b", 32);
  constexpr int64_t kVocab = 125696;
  const int64_t hidden = v.config["hidden_size"];
  const auto table = [&](double length) {
    std::vector<uint16_t> numbers(static_cast<size_t>(kVocab * hidden));
    const auto one = static_cast<float>(length / std::sqrt(static_cast<double>(hidden)));
    std::fill(numbers.begin(), numbers.end(),
              static_cast<uint16_t>(std::bit_cast<uint32_t>(one) >> 16));
    return std::string(reinterpret_cast<const char*>(numbers.data()), numbers.size() * 2);
  };
  v.config["vocab_size"] = kVocab;
  v.tensors["model.embed_tokens.weight"] = {{kVocab, hidden}, table(1)};
  v.tensors["lm_head.weight"] = {{kVocab, hidden}, table(1)};
  const ScratchDirectory dir;
  write_deep_gguf(v, dir);
  EXPECT_NO_THROW(build_model(open_model_source(dir / "model.gguf"), {}));
  // One that nothing normalised on its way.
  GgufWriter writer;
  const std::string rows = table(2);
  writer.add_string("general.architecture", "baichuan");
  for (const char* key :
       {"embedding_length", "attention.head_count", "feed_forward_length", "context_length"}) {
    writer.add_uint32(fmt::format("baichuan.{}", key), 32);
  }
  writer.add_uint32("baichuan.block_count", 32);
  writer.add_float32("baichuan.attention.layer_norm_rms_epsilon", 1e-6f);
  for (const char* name : {"token_embd.weight", "output.weight"}) {
    writer.add_tensor(name, DType::kBFloat16, {kVocab, hidden}, as_bytes(rows));
  }
  writer.write(dir / "other.gguf");
  expect_error([&] { build_model(open_model_source(dir / "other.gguf"), {}); },
               ErrorCode::kUnsupported, {"other.gguf", "output.weight", "rows of length 1", "2"});
}

TEST(BaichuanTest, WhatTheConfigTellsApart) {
  ModelSource source = open_model_source(golden_path("baichuan-7b"));
  const auto read = [&] { return model_config(source, find_model(source)); };
  const auto refused = [&](std::vector<std::string> parts) {
    parts.emplace_back("config.json");
    expect_error(read, ErrorCode::kUnsupported, parts);
  };
  const Json first = source.config;
  EXPECT_EQ(read()["position_embedding_type"], "rope_gpt_neox");
  EXPECT_EQ(read()["unit_head"], false);
  source.architecture = "BaichuanForCausalLM";
  EXPECT_EQ(read()["position_embedding_type"], "rope_gpt_neox");
  source.config["vocab_size"] = 125696;
  EXPECT_EQ(read()["unit_head"], true);
  source.config["vocab_size"] = 64000;
  EXPECT_EQ(read()["unit_head"], false);
  source.config["z_loss_weight"] = 0;
  refused({"'z_loss_weight'", "first Baichuan"});
  source.config = first;
  source.config["hidden_size"] = 5120;
  refused({"'hidden_size'", "7B's beside 'max_position_embeddings'", "5120"});
  source.config.erase("max_position_embeddings");
  refused({"'model_max_length'", "neither"});
  source.config["model_max_length"] = 64;
  EXPECT_EQ(read()["position_embedding_type"], "alibi");
  EXPECT_EQ(read()["max_position_embeddings"], 64);
  source.config["hidden_size"] = 4096;
  refused({"'hidden_size'", "13B's without 'max_position_embeddings'", "4096"});
}

TEST(BaichuanTest, ConfigFaultsAreNamed) {
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "baichuan2-7b",
      {{"hidden_act", "gelu", unsupported, {"config.json", "'hidden_act'", "gelu"}},
       {"num_attention_heads", 3, corrupt, {"config.json", "'num_attention_heads'"}},
       {"hidden_size", 64, corrupt, {"model.safetensors", "[128, 64]"}},
       {"intermediate_size", 64, corrupt, {"mlp.gate_proj.weight", "[64, 32]"}}});
}

}  // namespace
}  // namespace ingot
