#include "models/contract/llama_family.h"

namespace ingot {
namespace model_smollm3 {

constexpr LlamaVariant kVariant = {.window_by_layer = true};

// Which layers rotate (1) and which do not: every fourth, unless the config says otherwise.
std::vector<int64_t> read_rotated_layers(ConfigReader& c) {
  const auto layers = c.config()["num_hidden_layers"].get<int64_t>();
  const auto interval = c.stated<int64_t>("no_rope_layer_interval", 4);
  if (interval < 1) c.corrupt("no_rope_layer_interval", "1 or more", std::to_string(interval));
  if (!c.has("no_rope_layers")) {
    std::vector<int64_t> rotated;
    for (int64_t i = 0; i < layers; ++i) rotated.push_back((i + 1) % interval != 0);
    c.override_with("no_rope_layers", rotated);
  }
  const std::vector<int64_t> rotated = c.numbers("no_rope_layers", 0, 1);
  if (static_cast<int64_t>(rotated.size()) != layers) {
    c.corrupt("no_rope_layers", fmt::format("{} entries", layers), std::to_string(rotated.size()));
  }
  return rotated;
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) {
    // null is as many as there are heads.
    if (!raw.contains("num_key_value_heads")) c.override_with("num_key_value_heads", 4);
    c.use_default("rope_theta", 2e6);
    c.use_default("tie_word_embeddings", true);
  }
  read_llama_config(c, kVariant);
  const std::vector<int64_t> rotated = read_rotated_layers(c);
  // The class states no window of its own.
  c.use_default("sliding_window", nullptr);
  // It makes its masks by this key, whatever the switch says.
  if (c.has("layer_types")) c.override_with("use_sliding_window", true);
  c.switched_window();
  c.window_layers([&](int64_t layer) { return rotated[static_cast<size_t>(layer)] == 0; });
  return c.config();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  const auto rotated = c["no_rope_layers"].get<std::vector<int64_t>>();
  const LlamaParts parts = {
      .attention = [&](DecoderBuilder&, int64_t layer, DecoderBuilder::Attention& shape) {
        if (rotated[static_cast<size_t>(layer)] == 0) shape.inv_freq = kNoValue;
      }};
  build_llama(c, source, options, graph, parts);
}

std::vector<ConfigKey> keys() {
  std::vector<ConfigKey> out = llama_keys();
  out.push_back({"no_rope_layers", "no_rope_layers"});
  out.push_back({"layer_types", "layer_types"});
  return out;
}

}  // namespace model_smollm3

// SmolLM3 (Hugging Face, 2025): Llama, of which some layers know no positions.
const ModelDef& smollm3_model() {
  using namespace model_smollm3;
  static const ModelDef model = {
      .name = "smollm3",
      .architectures = {"SmolLM3ForCausalLM"},
      .keys = keys(),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = [](const Json& config) { return llama_weights(config, kVariant); },
      .build = build,
      .presets = {{"smollm3-3b",
                   R"({"architectures": ["SmolLM3ForCausalLM"], "hidden_size": 2048,
                       "num_hidden_layers": 36, "num_attention_heads": 16,
                       "num_key_value_heads": 4, "intermediate_size": 11008,
                       "vocab_size": 128256, "max_position_embeddings": 65536,
                       "rms_norm_eps": 1e-6, "rope_theta": 5000000.0,
                       "tie_word_embeddings": true})",
                   3.08}}};
  return model;
}

}  // namespace ingot
