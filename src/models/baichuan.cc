#include <cmath>

#include "models/contract/llama_family.h"
#include "tensor/tensor_view.h"

namespace ingot {
namespace model_baichuan {

constexpr LlamaVariant kVariant = {.has_window = false};
constexpr const char* kRope = "rope_gpt_neox";
constexpr const char* kAlibi = "alibi";
// Sizes of the published models.
constexpr int64_t kHidden7 = 4096, kHidden13 = 5120;
constexpr int64_t kLayers7 = 32, kLayers13 = 40;
constexpr int64_t kVocab1 = 64000, kVocab2 = 125696;

// The class of 7B rotates; one name stands for the others, whose code differs: 7B's config class
// has max_position_embeddings, 13B's model_max_length alone.
std::string hf_positions(const ConfigReader& c) {
  const auto hidden = c.stated<int64_t>("hidden_size", 0);
  if (c.source().architecture == "BaiChuanForCausalLM") return kRope;
  const bool rotates = c.has("max_position_embeddings");
  if (!rotates && !c.has("model_max_length")) {
    c.refuse("model_max_length", "this or 'max_position_embeddings', which tell 13B from 7B",
             "neither");
  }
  if (rotates ? hidden == kHidden13 : hidden == kHidden7) {
    c.refuse("hidden_size",
             rotates ? "7B's beside 'max_position_embeddings'"
                     : "13B's without 'max_position_embeddings'",
             std::to_string(hidden));
  }
  return rotates ? kRope : kAlibi;
}

// Baichuan2 is known by a key of its training, or by its vocabulary.
bool normalises_head(const ConfigReader& c) {
  const auto vocab = c.stated<int64_t>("vocab_size", 0);
  const bool stated = c.has("z_loss_weight");
  if (stated && vocab == kVocab1) {
    c.refuse("z_loss_weight", "none beside the first Baichuan's vocabulary", "a value");
  }
  return stated || vocab == kVocab2;
}

void add_hf_facts(ConfigReader& c) {
  c.override_with("position_embedding_type", hf_positions(c));
  c.override_with("unit_head", normalises_head(c));
  c.also_called("max_position_embeddings", {"model_max_length"});
}

// llama.cpp tells the models apart by their layers, and takes the head as the file has it.
void add_gguf_facts(ConfigReader& c) {
  const auto layers = c.stated<int64_t>("num_hidden_layers", 0);
  if (layers != kLayers7 && layers != kLayers13) {
    c.refuse("block_count", fmt::format("{} (7B) or {} (13B)", kLayers7, kLayers13),
             std::to_string(layers));
  }
  c.override_with("position_embedding_type", layers == kLayers7 ? kRope : kAlibi);
  const WeightInfo* head = c.source().gguf->find("output.weight");
  if (!head || head->shape.size() != 2 || head->shape[0] != kVocab2) return;
  const TensorView rows{head->type, head->shape, const_cast<std::byte*>(head->bytes.data())};
  std::vector<float> row(static_cast<size_t>(rows.columns()));
  for (int64_t r = 0; r < rows.rows(); r += rows.rows() / 16) {
    load_row(rows, r, 0, rows.columns(), row.data());
    double squares = 0;
    for (float x : row) squares += static_cast<double>(x) * x;
    // Blocks of four bits keep a length within a few percent.
    if (std::fabs(std::sqrt(squares) - 1) < 0.1) continue;
    c.refuse("output.weight", "Baichuan2's head with rows of length 1, as its own code makes them",
             fmt::format("row {} of length {:.3g}", r, std::sqrt(squares)));
  }
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) add_hf_facts(c);
  if (source.gguf) add_gguf_facts(c);
  read_llama_config(c, kVariant);
  c.choice("position_embedding_type", kRope, {kRope, kAlibi});
  c.flag("unit_head", false);
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  std::vector<WeightName> names = llama_weights(c, kVariant);
  const int64_t part = c["num_attention_heads"].get<int64_t>() * c["head_dim"].get<int64_t>();
  const std::pair<const char*, int64_t> kJoined[] = {
      {"self_attn.q_proj", 0}, {"self_attn.k_proj", part}, {"self_attn.v_proj", 2 * part}};
  for (WeightName& name : names) {
    for (const auto& [which, first] : kJoined) {
      if (name.hf.find(which) == name.hf.npos) continue;
      name.from_hf = take_rows(first, part, {3 * part, name.shape[1]})
                         .of(renamed(name.hf, {{which, "self_attn.W_pack"}}));
    }
    if (name.hf == "lm_head.weight" && c["unit_head"]) name.from_hf = unit_rows();
  }
  return names;
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  if (c["position_embedding_type"] == kRope) return build_llama(c, source, options, graph);
  int slopes = kNoValue;
  const LlamaParts parts = {
      .attention = [&](DecoderBuilder& b, int64_t, DecoderBuilder::Attention& shape) {
        if (slopes == kNoValue) slopes = b.alibi_slopes(shape.heads);
        shape.slopes = slopes;
        shape.inv_freq = kNoValue;
      }};
  build_llama(c, source, options, graph, parts);
}

std::vector<ConfigKey> keys() {
  std::vector<ConfigKey> out = llama_keys();
  out.push_back({"position_embedding_type", "position_embedding_type"});
  out.push_back({"unit_head", "unit_head"});
  return out;
}

}  // namespace model_baichuan

// Baichuan and Baichuan2 (Baichuan, 2023): Llama with query, key and value in one tensor; 13B has
// linear biases in place of the rotation, and the second ones a head whose rows have length 1.
const ModelDef& baichuan_model() {
  using namespace model_baichuan;
  static const ModelDef model = {
      .name = "baichuan",
      .architectures = {"BaiChuanForCausalLM", "BaichuanForCausalLM"},
      .keys = keys(),
      .position_embeddings = {kRope, kAlibi},
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"baichuan2-7b",
                   R"({"architectures": ["BaichuanForCausalLM"], "hidden_size": 4096,
               "num_hidden_layers": 32, "num_attention_heads": 32, "intermediate_size": 11008,
               "vocab_size": 125696, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6,
               "z_loss_weight": 0, "tie_word_embeddings": false})",
                   7.51},
                  {"baichuan2-13b",
                   R"({"architectures": ["BaichuanForCausalLM"], "hidden_size": 5120,
               "num_hidden_layers": 40, "num_attention_heads": 40, "intermediate_size": 13696,
               "vocab_size": 125696, "model_max_length": 4096, "rms_norm_eps": 1e-6,
               "z_loss_weight": 0, "tie_word_embeddings": false})",
                   13.9}}};
  return model;
}

}  // namespace ingot
