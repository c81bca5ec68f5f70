#include "models/contract/bert_family.h"

#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace {

// Row of the table of positions that a text's first token has.
int64_t first_position(const Json& c, const BertVariant& variant) {
  return variant.positions_after_padding ? c.value("pad_token_id", int64_t{1}) + 1 : 0;
}

}  // namespace

std::vector<ConfigKey> bert_keys() {
  return {layer_norm_key("layer_norm_eps"), {"type_vocab_size", "type_vocab_size"}};
}

Json parse_bert_config(const ModelSource& source, Json raw, const BertVariant& variant) {
  ConfigReader c(source, std::move(raw));
  c.use_default("max_position_embeddings", 512);
  if (source.kind == ModelSourceKind::kHuggingFace) {
    const int64_t first = first_position(c.config(), variant);
    const auto rows = c.stated<int64_t>("max_position_embeddings", 512);
    if (rows <= first) {
      c.refuse("max_position_embeddings", fmt::format("more than {}, the padding's", first),
               std::to_string(rows));
    }
    c.override_with("max_position_embeddings", rows - first);
  }
  // Files of RoBERTa, which llama.cpp calls BERT, have one type.
  if (const char* types = "token_types.weight"; source.gguf && source.gguf->contains(types)) {
    c.override_with("type_vocab_size", source.gguf->require(types).shape.at(0));
  }
  c.decoder_sizes();
  c.heads();
  c.size_or("intermediate_size", 4 * c.config()["hidden_size"].get<int64_t>());
  c.size_or("type_vocab_size", 2);
  c.epsilon("layer_norm_eps", 1e-12);
  c.activation("hidden_act", "gelu");
  c.choice("position_embedding_type", "absolute", {"absolute", "learned_absolute"});
  if (c.stated("is_decoder", false)) c.refuse("is_decoder", "false", "true");
  return c.config();
}

std::vector<WeightName> bert_weights(const Json& c, const BertVariant& variant) {
  const int64_t hidden = c["hidden_size"], inner = c["intermediate_size"];
  WeightNames names;
  names.matrix({"embeddings.word_embeddings", "token_embd", "transformer.vocab_embedding"},
               c["vocab_size"], hidden);
  names.positions("embeddings.position_embeddings", "position_embd", c["max_position_embeddings"],
                  hidden, first_position(c, variant));
  names.matrix(
      {"embeddings.token_type_embeddings", "token_types", "transformer.token_type_embedding"},
      c["type_vocab_size"], hidden);
  names.norm({"embeddings.LayerNorm", "token_embd_norm", "transformer.ln_embed"}, hidden, true);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("encoder.layer.", i);
    // Rows of one tensor of a checkpoint follow each other.
    const TensorNames projections[] = {{"attention.self.query", "attn_q", "attention.qkv"},
                                       {"attention.self.key", "attn_k", "attention.qkv"},
                                       {"attention.self.value", "attn_v", "attention.qkv"}};
    for (const TensorNames& name : projections) names.matrix(name, hidden, hidden);
    for (const TensorNames& name : projections) names.bias(name, hidden);
    names.linear({"attention.output.dense", "attn_output", "attention.dense"}, hidden, hidden,
                 true);
    names.norm({"attention.output.LayerNorm", "attn_output_norm", "post_attention_layernorm"},
               hidden, true);
    names.linear({"intermediate.dense", "ffn_up", "mlp.fc"}, inner, hidden, true);
    names.linear({"output.dense", "ffn_down", "mlp.proj"}, hidden, inner, true);
    names.norm({"output.LayerNorm", "layer_output_norm", "post_mlp_layernorm"}, hidden, true);
  }
  names.at({});
  // Published for its own training task; files of other tasks, and GGUF, lack it.
  const StoredAs optional = {.optional = true};
  names.matrix({"pooler.dense", "pooler.dense", "transformer.pooler"}, hidden, hidden, optional);
  names.bias({"pooler.dense", "pooler.dense", "transformer.pooler"}, hidden, optional);
  std::vector<WeightName> out = names.take();
  // Files of the first years call a norm's weight and bias so.
  for (WeightName& name : out) {
    for (const auto& [end, older] : {std::pair("LayerNorm.weight", "LayerNorm.gamma"),
                                     std::pair("LayerNorm.bias", "LayerNorm.beta")}) {
      if (!name.hf.ends_with(end)) continue;
      const std::string stem = name.hf.substr(0, name.hf.size() - std::string_view(end).size());
      name.or_from_hf = {WeightTransform().of(stem + older)};
    }
  }
  return out;
}

void build_bert(const Json& c, const WeightSource& source, const BuildOptions& options,
                Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["layer_norm_eps"];
  DecoderBuilder::Attention attention;
  attention.heads = attention.kv_heads = c["num_attention_heads"];
  attention.head_dim = c["head_dim"];
  attention.causal = false;
  int x = b.embedding("embeddings.word_embeddings.weight");
  x = b.add_positions(x, "embeddings.position_embeddings.weight");
  x = b.add_row(x, "embeddings.token_type_embeddings.weight", 0);
  x = b.layer_norm(x, "embeddings.LayerNorm", epsilon);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("encoder.layer.", i);
    int h = b.attention(b.linear(x, p + "attention.self.query", 0),
                        b.linear(x, p + "attention.self.key", 0),
                        b.linear(x, p + "attention.self.value", 0), i, attention);
    h = b.linear(h, p + "attention.output.dense", 1);
    x = b.layer_norm(b.residual(h, x), p + "attention.output.LayerNorm", epsilon);
    h = b.mlp(x, p + "intermediate.dense", c["hidden_act"], p + "output.dense");
    x = b.layer_norm(b.residual(h, x), p + "output.LayerNorm", epsilon);
  }
  graph.set_origin("pooler");
  if (!b.has("pooler.dense.weight")) return b.finish_encoder(x);
  b.finish_encoder(x, [&](int rows) {
    return graph.emit("tanh", {}, {b.linear(rows, "pooler.dense", -1, "float32")});
  });
}

}  // namespace ingot
