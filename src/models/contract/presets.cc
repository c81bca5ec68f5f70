#include "models/contract/presets.h"

#include <array>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "models/presets";

constexpr std::array<Preset, 8> kPresets = {{
    {"llama-2-7b",
     R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 11008,
         "vocab_size": 32000, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
         "rope_theta": 10000.0, "tie_word_embeddings": false})",
     ""},
    {"llama-2-13b",
     R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 5120, "num_hidden_layers": 40,
         "num_attention_heads": 40, "num_key_value_heads": 40, "intermediate_size": 13824,
         "vocab_size": 32000, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
         "rope_theta": 10000.0, "tie_word_embeddings": false})",
     ""},
    {"llama-3.1-8b",
     R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
         "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
         "rope_theta": 500000.0, "tie_word_embeddings": false,
         "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                          "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}})",
     ""},
    {"llama-3.1-70b",
     R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 8192, "num_hidden_layers": 80,
         "num_attention_heads": 64, "num_key_value_heads": 8, "intermediate_size": 28672,
         "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
         "rope_theta": 500000.0, "tie_word_embeddings": false,
         "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                          "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}})",
     ""},
    // Its "intermediate_size" of 22016 counts both halves of the gated MLP.
    {"qwen-7b",
     R"({"architectures": ["Qwen2ForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 11008,
         "vocab_size": 151936, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
         "rope_theta": 10000.0, "tie_word_embeddings": false})",
     "Qwen 1's shapes through Qwen2's layers: without its scaling of attention by log(length)"},
    {"qwen2.5-7b",
     R"({"architectures": ["Qwen2ForCausalLM"], "hidden_size": 3584, "num_hidden_layers": 28,
         "num_attention_heads": 28, "num_key_value_heads": 4, "intermediate_size": 18944,
         "vocab_size": 152064, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
         "rope_theta": 1000000.0, "tie_word_embeddings": false})",
     ""},
    // v0.3, which has no sliding window.
    {"mistral-7b",
     R"({"architectures": ["MistralForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
         "vocab_size": 32768, "max_position_embeddings": 32768, "rms_norm_eps": 1e-5,
         "rope_theta": 1000000.0, "sliding_window": null, "tie_word_embeddings": false})",
     ""},
    {"smollm2-135m",
     R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 576, "num_hidden_layers": 30,
         "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
         "vocab_size": 49152, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
         "rope_theta": 100000.0, "tie_word_embeddings": true})",
     ""},
}};

// The usual initializer_range. With normed inputs a projection of n columns has a deviation of
// 0.02 * sqrt(n), 3.4 at the 28672 of the widest MLP: sums over 80 layers stay far below float16's
// 65504.
constexpr double kDeviation = 0.02;
constexpr double kWidth = 1.7320508075688772;  // sqrt(3): half width over deviation

// One number for each tensor, 63 bits so that JSON's signed integers hold it.
uint64_t tensor_seed(std::string_view name, uint64_t seed) {
  return hash64(std::as_bytes(std::span(name.data(), name.size())), seed) >> 1;
}

RandomFill fill_of(const WeightName& name, uint64_t seed) {
  RandomFill fill;
  const bool norm = name.shape.size() == 1 && name.hf.ends_with(".weight");
  if (norm) {
    fill.offset = 1;
  } else {
    fill.seed = tensor_seed(name.hf, seed);
    fill.scale = static_cast<float>(kDeviation * kWidth);
  }
  return fill;
}

}  // namespace

std::span<const Preset> presets() { return kPresets; }

const Preset& find_preset(std::string_view name) {
  std::string known;
  for (const Preset& preset : kPresets) {
    if (preset.name == name) return preset;
    known += (known.empty() ? "" : ", ") + std::string(preset.name);
  }
  fail(ErrorCode::kNotFound, kWhere, "random weights '{}': expected one of {}", name, known);
}

bool is_random_model(std::string_view model) { return model.starts_with(kRandomPrefix); }

ModelSource random_source(std::string_view model, std::optional<DType> dtype, uint64_t seed) {
  const std::string_view name = is_random_model(model) ? model.substr(kRandomPrefix.size()) : model;
  const Preset& preset = find_preset(name);
  const DType type = dtype.value_or(DType::kBFloat16);
  ModelSource source;
  source.kind = ModelSourceKind::kHuggingFace;
  source.path = source.config_file = fmt::format("{}{}", kRandomPrefix, preset.name);
  source.config = parse_json(preset.config, kWhere, source.path);
  source.architecture = source.config["architectures"][0].get<std::string>();
  source.identity =
      hash128(fmt::format("{}|{}|{}|{}", source.path, preset.config, dtype_name(type), seed)).hex();
  const ModelDef& def = find_model(source.architecture);
  auto table = std::make_shared<WeightTable>(source.path);
  source.weights = table;
  for (const WeightName& weight : def.weights(model_config(source, def))) {
    if (!weight.optional) table->add({weight.hf, type, weight.shape, {}, fill_of(weight, seed)});
  }
  return source;
}

}  // namespace ingot
