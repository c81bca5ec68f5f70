// Golden models under the other names and layouts that a model file can have.
#pragma once

#include <cstring>
#include <deque>
#include <functional>

#include "loaders/gguf_writer.h"
#include "loaders/model_source.h"
#include "models/contract/model_def.h"
#include "tests/loaders/test_files.h"

namespace ingot {

// The name that llama.cpp's converter gives a Hugging Face tensor of the Llama family.
inline std::string gguf_name(std::string name) {
  const std::pair<const char*, const char*> kParts[] = {
      {"model.layers.", "blk."},
      {"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},
      {"self_attn.o_proj", "attn_output"},
      {"mlp.gate_proj", "ffn_gate"},
      {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"},
      {"input_layernorm", "attn_norm"},
      {"post_attention_layernorm", "ffn_norm"},
      {"model.embed_tokens", "token_embd"},
      {"model.norm", "output_norm"},
      {"lm_head", "output"},
  };
  for (const auto& [from, to] : kParts) {
    const size_t at = name.find(from);
    if (at != std::string::npos) name.replace(at, std::strlen(from), to);
  }
  return name;
}

// Rows of each head interleaved, as llama.cpp stores the q and k of models with paired rotation:
// of a head of 2n rows, rows i and n + i become 2i and 2i + 1.
inline std::string interleaved(const WeightInfo& info, int64_t heads) {
  const int64_t rows = info.shape[0], half = rows / heads / 2;
  const size_t bytes = info.bytes.size() / static_cast<size_t>(rows);
  std::string out(info.bytes.size(), '\0');
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t i = 0; i < 2 * half; ++i) {
      const int64_t to = head * 2 * half + (i < half ? 2 * i : 2 * (i - half) + 1);
      std::memcpy(out.data() + static_cast<size_t>(to) * bytes,
                  info.bytes.data() + static_cast<size_t>(head * 2 * half + i) * bytes, bytes);
    }
  }
  return out;
}

// `add` writes more entries, whose bytes outlive the call.
inline void write_golden_gguf(const std::string& directory, const std::string& path,
                              const std::string& architecture, bool permute,
                              const std::function<void(GgufWriter&)>& add = nullptr) {
  const ModelSource source = open_model_source(directory);
  const Json& config = source.config;
  GgufWriter writer;
  const std::string& p = architecture;
  auto number = [&](const std::string& key, const char* from) {
    writer.add_uint32(p + key, config[from].get<uint32_t>());
  };
  writer.add_string("general.architecture", p);
  number(".embedding_length", "hidden_size");
  number(".block_count", "num_hidden_layers");
  number(".attention.head_count", "num_attention_heads");
  number(".attention.head_count_kv", "num_key_value_heads");
  number(".feed_forward_length", "intermediate_size");
  number(".context_length", "max_position_embeddings");
  writer.add_float32(p + ".attention.layer_norm_rms_epsilon", config["rms_norm_eps"].get<float>());
  writer.add_float32(p + ".rope.freq_base", config["rope_theta"].get<float>());
  if (config.contains("head_dim") && config["head_dim"].is_number()) {
    number(".attention.key_length", "head_dim");
  }
  writer.add_string("tokenizer.ggml.model", "gpt2");
  std::vector<std::string> tokens;
  for (int i = 0; i < config["vocab_size"].get<int>(); ++i) tokens.push_back(fmt::format("t{}", i));
  writer.add_strings("tokenizer.ggml.tokens", tokens);
  std::deque<std::string> kept;
  for (const std::string& name : source.weights->names()) {
    const WeightInfo& info = source.weights->require(name);
    std::span<const std::byte> bytes = info.bytes;
    const bool q = name.find("q_proj") != name.npos, k = name.find("k_proj") != name.npos;
    if (permute && (q || k)) {
      kept.push_back(interleaved(
          info, config[q ? "num_attention_heads" : "num_key_value_heads"].get<int64_t>()));
      bytes = as_bytes(kept.back());
    }
    writer.add_tensor(gguf_name(name), info.type, info.shape, bytes);
  }
  if (add) add(writer);
  writer.write(path);
}

// Every key of `a` but the token ids, which GGUF keeps with the tokenizer, has its value in `b`.
inline void expect_same_config(const Json& a, const Json& b) {
  for (const auto& [key, value] : a.items()) {
    if (key.ends_with("_token_id")) continue;
    ASSERT_TRUE(b.contains(key)) << key;
    if (value.is_number_float()) {
      EXPECT_NEAR(value.get<double>(), b[key].get<double>(), 1e-6) << key;
    } else {
      EXPECT_EQ(value, b[key]) << key;
    }
  }
}

// Every weight of the model, by its Hugging Face name, is the same bytes in both sources.
inline void expect_same_weights(const ModelSource& a, const ModelSource& b) {
  const ModelDef& model = find_model(a);
  const Json config_a = model_config(a, model);
  const Json config_b = model_config(b, find_model(b));
  const auto weights_a = canonical_weights(a, model, config_a);
  const auto weights_b = canonical_weights(b, find_model(b), config_b);
  ASSERT_FALSE(weights_a->names().empty());
  EXPECT_EQ(weights_a->names().size(), weights_b->names().size());
  for (const std::string& name : weights_a->names()) {
    const WeightInfo& left = weights_a->require(name);
    const WeightInfo& right = weights_b->require(name, left.shape);
    EXPECT_TRUE(left.type == right.type) << name;
    EXPECT_TRUE(std::ranges::equal(left.bytes, right.bytes)) << name;
  }
  expect_same_config(config_a, config_b);
}

// A GGUF file and a converted checkpoint of a golden hold what its directory holds.
inline void check_golden_sources(const std::string& golden, const std::string& architecture,
                                 bool permute) {
  ScratchDirectory dir;
  const ModelSource source = open_model_source(golden_path(golden));
  write_golden_gguf(golden_path(golden), dir / "model.gguf", architecture, permute);
  expect_same_weights(source, open_model_source(dir / "model.gguf"));
  convert_model(source, {}, dir / "checkpoint");
  const ModelSource checkpoint = open_model_source(dir / "checkpoint");
  EXPECT_EQ(checkpoint.kind, ModelSourceKind::kCheckpoint);
  expect_same_weights(source, checkpoint);
}

struct ConfigFault {
  const char* key;
  Json value;  // null: the key is removed
  ErrorCode code;
  std::vector<std::string> parts;  // beside the file
};

// A copy of a golden whose config.json has one fault is refused by name.
inline void check_config_faults(const std::string& golden, const std::vector<ConfigFault>& faults) {
  ScratchDirectory dir;
  const std::string config_text = read_file(golden_path(golden) + "/config.json");
  std::filesystem::copy_file(golden_path(golden) + "/model.safetensors", dir / "model.safetensors");
  for (const ConfigFault& fault : faults) {
    SCOPED_TRACE(fmt::format("{} = {}", fault.key, fault.value.dump()));
    Json config = parse_json(config_text, "test", golden);
    if (fault.value.is_null()) {
      config.erase(fault.key);
    } else {
      config[fault.key] = fault.value;
    }
    dir.write("config.json", config.dump());
    std::vector<std::string> parts = fault.parts;
    expect_error([&] { build_model(open_model_source(dir.path()), {}); }, fault.code, parts);
  }
}

}  // namespace ingot
