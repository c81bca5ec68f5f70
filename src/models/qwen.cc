#include <algorithm>
#include <cmath>

#include "models/contract/llama_family.h"

namespace ingot {
namespace model_qwen {

constexpr LlamaVariant kVariant = {.qkv_bias = true, .gguf_permuted = false, .has_window = false};

// Hugging Face's keys in Llama's terms, those of the first release among them.
void add_hf_facts(ConfigReader& c) {
  c.also_called("hidden_size", {"n_embd"});
  c.also_called("num_hidden_layers", {"n_layer"});
  c.also_called("num_attention_heads", {"n_head"});
  c.also_called("max_position_embeddings", {"n_positions"});
  c.also_called("intermediate_size", {"ffn_hidden_size"});
  c.also_called("vocab_size", {"padded_vocab_size"});
  c.also_called("rms_norm_eps", {"layer_norm_epsilon"});
  c.also_called("rope_theta", {"rotary_emb_base"});
  c.also_called("partial_rotary_factor", {"rotary_pct"});
  c.also_called("head_dim", {"kv_channels"});
  c.use_default("head_dim", 128);
  c.use_default("max_position_embeddings", 8192);
  c.use_default("seq_length", 8192);
  if (!c.stated("scale_attn_weights", true)) c.refuse("scale_attn_weights", "true", "false");
  if (!c.stated("no_bias", true)) c.refuse("no_bias", "true", "false");
}

// llama.cpp keeps the longest length alone. Published models with a base of 10000 were trained for
// a quarter of it or more; what happens past that is not in the file.
void add_gguf_facts(ConfigReader& c) {
  constexpr double kLongBase = 1e6;
  if (c.stated("rope_theta", 10000.0) >= kLongBase) return;
  const auto longest = c.stated<int64_t>("max_position_embeddings", 0);
  c.override_with("max_position_embeddings", std::max<int64_t>(longest / 4, 1));
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) add_hf_facts(c);
  if (source.gguf) add_gguf_facts(c);
  read_llama_config(c, kVariant);
  if (read_rope_config(c.config(), c.file()).type == "dynamic") {
    c.refuse("rope_scaling", "none, as in its class", "'dynamic'");
  }
  // The trained length. What begins past it never does where no sequence gets there.
  const auto positions = c.config()["max_position_embeddings"].get<int64_t>();
  const int64_t trained = c.size_or("seq_length", positions);
  c.flag("use_dynamic_ntk", true);
  if (c.flag("use_logn_attn", true) && positions > trained) {
    constexpr int64_t kMostFactors = int64_t{1} << 20;  // a graph holds one for each position
    if (trained < 2) c.corrupt("seq_length", "2 or more", std::to_string(trained));
    if (positions > kMostFactors) {
      c.corrupt("max_position_embeddings",
                fmt::format("at most {} with use_logn_attn", kMostFactors),
                std::to_string(positions));
    }
  }
  if (c.config()["use_dynamic_ntk"] && positions > trained && c.config()["head_dim"] < 4) {
    c.refuse("use_dynamic_ntk", "false with heads of 2", "true");
  }
  // Both halves of the gated unit.
  const auto inner = c.config()["intermediate_size"].get<int64_t>();
  if (inner % 2 != 0) c.corrupt("intermediate_size", "an even size", std::to_string(inner));
  return c.config();
}

// Where files keep a weight that Llama's table calls `name`.
void set_stored(const Json& c, WeightName& name) {
  const int64_t part = c["num_attention_heads"].get<int64_t>() * c["head_dim"].get<int64_t>();
  const std::tuple<const char*, const char*, int64_t> joined[] = {
      {"self_attn.q_proj", "attn_q", 0},
      {"self_attn.k_proj", "attn_k", part},
      {"self_attn.v_proj", "attn_v", 2 * part}};
  const std::string theirs = renamed(name.hf, {{"model.layers.", "transformer.h."},
                                               {"model.embed_tokens", "transformer.wte"},
                                               {"model.norm", "transformer.ln_f"},
                                               {"input_layernorm", "ln_1"},
                                               {"self_attn.o_proj", "attn.c_proj"},
                                               {"post_attention_layernorm", "ln_2"},
                                               {"mlp.gate_proj", "mlp.w2"},
                                               {"mlp.up_proj", "mlp.w1"},
                                               {"mlp.down_proj", "mlp.c_proj"}});
  for (const auto& [hf, gguf, first] : joined) {
    if (theirs.find(hf) == theirs.npos) continue;
    Shape whole = name.shape;
    whole[0] = 3 * part;
    name.from_hf = take_rows(first, part, whole).of(renamed(theirs, {{hf, "attn.c_attn"}}));
    name.from_gguf = take_rows(first, part, whole);
    name.gguf = renamed(name.gguf, {{gguf, "attn_qkv"}});
    return;
  }
  name.from_hf = WeightTransform().of(theirs);
}

std::vector<WeightName> weights(const Json& c) {
  Json halved = c;
  halved["intermediate_size"] = c["intermediate_size"].get<int64_t>() / 2;
  std::vector<WeightName> names = llama_weights(halved, kVariant);
  for (WeightName& name : names) set_stored(c, name);
  return names;
}

// Past the trained length n, the query at position p is scaled by log(p + 1) / log(n).
std::vector<float> query_factors(int64_t positions, int64_t trained) {
  std::vector<float> out;
  for (int64_t length = 1; length <= positions; ++length) {
    const double factor = std::log(static_cast<double>(std::max(length, trained))) /
                          std::log(static_cast<double>(trained));
    out.push_back(static_cast<float>(factor));
  }
  return out;
}

// A prompt of more than the trained length n stretches its sequence's rotation: the base is
// multiplied by alpha^(dim / (dim - 2)), alpha = 2^ceil(log2(length / n) + 1) - 1.
int stretched_frequencies(DecoderBuilder& b, const Json& c) {
  const int64_t positions = c["max_position_embeddings"];
  const RopeConfig rope = read_rope_config(c, "config");
  const int64_t dim = rotary_dim(rope, c["head_dim"]);
  const double power = static_cast<double>(dim) / static_cast<double>(dim - 2);
  std::vector<std::vector<float>> sets;
  std::vector<int64_t> lengths;
  double alpha = 1;
  for (int64_t length = c["seq_length"];; length *= 2, alpha = 2 * alpha + 1) {
    sets.push_back(plain_frequencies(rope.theta * std::pow(alpha, power), dim));
    if (length >= positions) break;
    lengths.push_back(length);
  }
  return b.frequencies_by_length(sets, lengths, DecoderBuilder::LengthOf::kPrompt);
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  const int64_t positions = c["max_position_embeddings"], trained = c["seq_length"];
  if (positions <= trained) return build_llama(c, source, options, graph);
  int factors = kNoValue, frequencies = kNoValue;
  const LlamaParts parts = {
      .attention = [&](DecoderBuilder& b, int64_t, DecoderBuilder::Attention& shape) {
        if (c["use_logn_attn"]) {
          if (factors == kNoValue) factors = b.position_factors(query_factors(positions, trained));
          shape.query_factors = factors;
        }
        if (c["use_dynamic_ntk"]) {
          if (frequencies == kNoValue) frequencies = stretched_frequencies(b, c);
          shape.inv_freq = frequencies;
        }
      }};
  build_llama(c, source, options, graph, parts);
}

std::vector<ConfigKey> keys() {
  std::vector<ConfigKey> out = llama_keys();
  for (const char* key : {"seq_length", "use_dynamic_ntk", "use_logn_attn"}) {
    out.push_back({key, key});
  }
  return out;
}

}  // namespace model_qwen

// Qwen (Bai et al., 2023), the first generation: Llama with query, key and value in one tensor and
// biases on them, whose queries grow with the logarithm of the length past the trained one.
const ModelDef& qwen_model() {
  using namespace model_qwen;
  static const ModelDef model = {
      .name = "qwen",
      .architectures = {"QWenLMHeadModel"},
      .keys = keys(),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"qwen-1-7b",
                   R"({"architectures": ["QWenLMHeadModel"], "hidden_size": 4096,
                       "num_hidden_layers": 32, "num_attention_heads": 32, "kv_channels": 128,
                       "intermediate_size": 22016, "vocab_size": 151936,
                       "max_position_embeddings": 32768, "seq_length": 8192,
                       "layer_norm_epsilon": 1e-6, "rotary_emb_base": 10000})",
                   7.72}}};
  return model;
}

}  // namespace ingot
