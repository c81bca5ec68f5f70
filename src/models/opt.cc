#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_opt {

// Rows of the table of positions before that of the first token.
constexpr int64_t kFirstPosition = 2;

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  c.refuse_gguf();
  if (source.kind == ModelSourceKind::kHuggingFace) {
    c.also_called("hidden_size", {"d_model"});
    c.also_called("intermediate_size", {"ffn_dim"});
    c.also_called("hidden_act", {"activation_function"});
    c.use_default("max_position_embeddings", 2048);
    c.override_with("layer_norm_eps", 1e-5);  // the class has no other
  }
  c.decoder_sizes();
  c.heads();
  c.size("intermediate_size");
  c.epsilon("layer_norm_eps", 1e-5);
  c.activation("hidden_act", "relu");
  c.size_or("word_embed_proj_dim", c.config()["hidden_size"]);
  c.flag("tie_word_embeddings", true);
  c.flag("do_layer_norm_before", true);
  c.flag("_remove_final_layer_norm", false);
  c.flag("enable_bias", true);
  c.flag("layer_norm_elementwise_affine", true);
  return c.config();
}

bool has_final_norm(const Json& c) {
  return c["do_layer_norm_before"] && !c["_remove_final_layer_norm"].get<bool>();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"],
                outer = c["word_embed_proj_dim"];
  const bool bias = c["enable_bias"];
  WeightNames names;
  const auto norm = [&](const TensorNames& of) {
    if (c["layer_norm_elementwise_affine"]) names.norm(of, hidden, true);
  };
  names.matrix({"decoder.embed_tokens", "token_embd", "transformer.vocab_embedding"}, vocab, outer);
  if (outer != hidden) {
    names.matrix({"decoder.project_in", "token_embd_proj", "transformer.project_in"}, hidden,
                 outer);
  }
  names.positions("decoder.embed_positions", "position_embd", c["max_position_embeddings"], hidden,
                  kFirstPosition);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("decoder.layers.", i);
    norm({"self_attn_layer_norm", "attn_norm", "input_layernorm"});
    names.qkv_apart("self_attn.", {heads, heads, dim, hidden, bias});
    names.linear({"self_attn.out_proj", "attn_output", "attention.dense"}, hidden, heads * dim,
                 bias);
    norm({"final_layer_norm", "ffn_norm", "post_layernorm"});
    names.linear({"fc1", "ffn_up", "mlp.fc"}, inner, hidden, bias);
    names.linear({"fc2", "ffn_down", "mlp.proj"}, hidden, inner, bias);
  }
  names.at({});
  if (has_final_norm(c)) norm({"decoder.final_layer_norm", "output_norm", "transformer.ln_f"});
  if (outer != hidden) {
    names.matrix({"decoder.project_out", "output_proj", "transformer.project_out"}, outer, hidden);
  }
  if (!c["tie_word_embeddings"]) names.matrix({"lm_head", "output", "lm_head"}, vocab, outer);
  return names.take();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["layer_norm_eps"];
  const std::string activation = c["hidden_act"];
  const bool before = c["do_layer_norm_before"];
  const bool projected = c["word_embed_proj_dim"] != c["hidden_size"];
  DecoderBuilder::Attention attention;
  attention.heads = attention.kv_heads = c["num_attention_heads"];
  attention.head_dim = c["head_dim"];
  int x = b.embedding("decoder.embed_tokens.weight");
  if (projected) x = b.linear(x, "decoder.project_in", -1);
  x = b.add_positions(x, "decoder.embed_positions.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("decoder.layers.", i);
    const auto norm_if = [&](bool wanted, int value, const char* name) {
      return wanted ? b.layer_norm(value, p + name, epsilon) : value;
    };
    int h = norm_if(before, x, "self_attn_layer_norm");
    h = b.linear(b.self_attention(h, p + "self_attn.", i, attention), p + "self_attn.out_proj", 1);
    x = norm_if(!before, b.residual(h, x), "self_attn_layer_norm");
    h = norm_if(before, x, "final_layer_norm");
    h = b.mlp(h, p + "fc1", activation, p + "fc2");
    x = norm_if(!before, b.residual(h, x), "final_layer_norm");
  }
  graph.set_origin("head");
  b.finish(
      x,
      [&](int rows) {
        if (has_final_norm(c)) rows = b.layer_norm(rows, "decoder.final_layer_norm", epsilon);
        return projected ? b.linear(rows, "decoder.project_out", -1) : rows;
      },
      head_weight(c, "decoder.embed_tokens"));
}

}  // namespace model_opt

// OPT (Zhang et al., 2022) and Galactica (Taylor et al., 2022): learned positions that start at row
// 2; the one of 350 million parameters has its norms behind attention and MLP, and embeddings of
// another width.
const ModelDef& opt_model() {
  using namespace model_opt;
  static const ModelDef model = {
      .name = "opt",
      .architectures = {"OPTForCausalLM"},
      .keys = {layer_norm_key("layer_norm_eps"),
               {"do_layer_norm_before", "do_layer_norm_before"},
               {"_remove_final_layer_norm", "remove_final_layer_norm"},
               {"word_embed_proj_dim", "word_embed_proj_dim"},
               {"enable_bias", "bias"},
               {"layer_norm_elementwise_affine", "layer_norm_elementwise_affine"}},
      .position_embeddings = {"learned_absolute"},
      .hf_prefixes = {"model.", ""},
      .ignored = {"lm_head.weight"},
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"opt-6.7b",
                   R"({"architectures": ["OPTForCausalLM"], "hidden_size": 4096,
                       "num_hidden_layers": 32, "num_attention_heads": 32, "ffn_dim": 16384,
                       "max_position_embeddings": 2048, "vocab_size": 50272})",
                   6.66}}};
  return model;
}

}  // namespace ingot
