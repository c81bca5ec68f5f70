#include "models/contract/config_read.h"
#include "models/contract/encoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_whisper {

constexpr int64_t kTaps = 3;         // of both convolutions
constexpr int64_t kFeatureRows = 2;  // of a frame: the second convolution's stride

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  c.refuse_gguf();
  if (source.kind == ModelSourceKind::kHuggingFace) {
    c.override_with("layer_norm_eps", 1e-5);  // the class has no other
  }
  const int64_t hidden = c.size("d_model");
  c.size("vocab_size");
  c.size("encoder_layers", 4096);
  c.size("decoder_layers", 4096);
  c.size("encoder_ffn_dim");
  c.size("decoder_ffn_dim");
  c.size("num_mel_bins", 4096);
  c.size("max_source_positions");
  c.size("max_target_positions");
  const int64_t heads = c.size("decoder_attention_heads", hidden);
  if (hidden % heads != 0 || hidden / heads % 2 != 0 || hidden / heads > 4096) {
    c.corrupt("decoder_attention_heads", fmt::format("a divisor of {} into even heads", hidden),
              std::to_string(heads));
  }
  // Keys and values of the encoder pass through pages that have the decoder's heads.
  if (const int64_t own = c.size("encoder_attention_heads", hidden); own != heads) {
    c.refuse("encoder_attention_heads", fmt::format("{} as decoder_attention_heads", heads),
             std::to_string(own));
  }
  c.epsilon("layer_norm_eps", 1e-5);
  c.activation("activation_function", "gelu");
  c.flag("tie_word_embeddings", true);
  // The published models have none, and the class that trained them reads the key for nothing.
  if (c.stated("scale_embedding", false)) c.refuse("scale_embedding", "false", "true");
  if (!c.stated("is_encoder_decoder", true)) c.refuse("is_encoder_decoder", "true", "false");
  // Kept for who generates; published lists may name ids that a smaller vocabulary lacks.
  for (const char* key : {"suppress_tokens", "begin_suppress_tokens"}) {
    c.numbers(key, 0, ConfigReader::kMaxSize);
  }
  if (c.has("decoder_start_token_id")) {
    c.count_or("decoder_start_token_id", 0, c.config()["vocab_size"].get<int64_t>() - 1);
  }
  return c.config();
}

class Names {
 public:
  explicit Names(const Json& c) : c_(c), hidden_(c["d_model"]) {}

  std::vector<WeightName> all() {
    const int64_t mels = c_["num_mel_bins"], vocab = c_["vocab_size"];
    names_.at({"encoder.", "enc.", "encoder."});
    conv("conv1", mels);
    conv("conv2", hidden_);
    positions("embed_positions", c_["max_source_positions"]);
    for (int64_t i = 0; i < c_["encoder_layers"]; ++i) {
      at_layer("encoder", "enc", "encoder", i);
      attention("self_attn.", "attn", "attention.");
      norm({"self_attn_layer_norm", "attn_norm", "input_layernorm"});
      mlp(c_["encoder_ffn_dim"]);
    }
    names_.at({"encoder.", "enc.", "encoder."});
    norm({"layer_norm", "output_norm", "ln_f"});
    names_.at({});
    names_.matrix({"decoder.embed_tokens", "token_embd", "transformer.vocab_embedding"}, vocab,
                  hidden_);
    names_.at({"decoder.", "dec.", "transformer."});
    positions("embed_positions", c_["max_target_positions"]);
    for (int64_t i = 0; i < c_["decoder_layers"]; ++i) {
      at_layer("decoder", "dec", "transformer", i);
      attention("self_attn.", "attn", "attention.");
      norm({"self_attn_layer_norm", "attn_norm", "input_layernorm"});
      attention("encoder_attn.", "cross_attn", "cross_attention.");
      norm({"encoder_attn_layer_norm", "cross_attn_norm", "cross_layernorm"});
      mlp(c_["decoder_ffn_dim"]);
    }
    names_.at({"decoder.", "dec.", "transformer."});
    norm({"layer_norm", "output_norm", "ln_f"});
    names_.at({});
    if (!c_["tie_word_embeddings"])
      names_.matrix({"proj_out", "output", "lm_head"}, vocab, hidden_);
    return names_.take();
  }

 private:
  void at_layer(const char* hf, const char* gguf, const char* ours, int64_t i) {
    names_.at({fmt::format("{}.layers.{}.", hf, i), fmt::format("{}.blk.{}.", gguf, i),
               fmt::format("{}.layers.{}.", ours, i)});
  }
  void positions(const std::string& hf, int64_t count) {
    names_.matrix({hf, "position_embd", "position_embedding"}, count, hidden_);
  }
  void norm(const TensorNames& names) { names_.norm(names, hidden_, true); }

  // [out, columns, taps] in the file, whose rows are those of a matrix.
  void conv(const std::string& name, int64_t columns) {
    const TensorNames names = {name, name, name};
    names_.matrix(
        names, hidden_, columns * kTaps,
        {.from_hf = {.apply =
                         [](const WeightInfo& stored, WeightTable&) {
                           WeightInfo info = stored;
                           info.shape = {stored.shape[0], stored.shape[1] * stored.shape[2]};
                           return info;
                         },
                     .shape = {hidden_, columns, kTaps}}});
    names_.bias(names, hidden_);
  }

  // Keys have no bias.
  void attention(const std::string& hf, const std::string& gguf, const std::string& ours) {
    for (const auto& [part, end, full] : {std::tuple("q_proj", "_q", "query"),
                                          {"k_proj", "_k", "key"},
                                          {"v_proj", "_v", "value"},
                                          {"out_proj", "_output", "dense"}}) {
      names_.linear({hf + part, gguf + end, ours + full}, hidden_, hidden_,
                    std::string_view(full) != "key");
    }
  }
  void mlp(int64_t inner) {
    norm({"final_layer_norm", "ffn_norm", "post_layernorm"});
    names_.linear({"fc1", "ffn_up", "mlp.fc"}, inner, hidden_, true);
    names_.linear({"fc2", "ffn_down", "mlp.proj"}, hidden_, inner, true);
  }

  const Json& c_;
  int64_t hidden_;
  WeightNames names_;
};

std::vector<WeightName> weights(const Json& c) { return Names(c).all(); }

class Assembly {
 public:
  Assembly(const Json& c, DecoderBuilder& b, const DecoderBuilder::Attention& attention)
      : c_(c),
        b_(b),
        encoder_(b,
                 {.max_frames = c["max_source_positions"],
                  .feature_rows = kFeatureRows,
                  .feature_columns = c["num_mel_bins"],
                  .decoder_layers = c["decoder_layers"]},
                 attention),
        attention_(attention),
        activation_(c["activation_function"]) {}

  int encode() {
    b_.graph().set_origin("encoder");
    int x = encoder_.features();
    x = b_.graph().emit("gelu", {}, {encoder_.conv(x, "encoder.conv1", kTaps, 1)});
    x = b_.graph().emit("gelu", {}, {encoder_.conv(x, "encoder.conv2", kTaps, kFeatureRows)});
    x = encoder_.add_positions(x, "encoder.embed_positions.weight");
    for (int64_t i = 0; i < c_["encoder_layers"]; ++i) {
      b_.graph().set_origin(fmt::format("encoder layer {}", i));
      const std::string p = fmt::format("encoder.layers.{}.", i);
      const int h = encoder_.self_attention(norm(x, p + "self_attn_layer_norm"), p + "self_attn.");
      x = b_.residual(b_.linear(h, p + "self_attn.out_proj", 1), x);
      x = mlp(x, p);
    }
    x = norm(x, "encoder.layer_norm");
    encoder_.finish(x);
    return x;
  }

  int decode(int heard) {
    b_.graph().set_origin("");
    int x = b_.embedding("decoder.embed_tokens.weight");
    x = b_.add_positions(x, "decoder.embed_positions.weight");
    for (int64_t i = 0; i < c_["decoder_layers"]; ++i) {
      b_.graph().set_origin(fmt::format("layer {}", i));
      const std::string p = fmt::format("decoder.layers.{}.", i);
      int h =
          b_.self_attention(norm(x, p + "self_attn_layer_norm"), p + "self_attn.", i, attention_);
      x = b_.residual(b_.linear(h, p + "self_attn.out_proj", 1), x);
      h = b_.linear(norm(x, p + "encoder_attn_layer_norm"), p + "encoder_attn.q_proj", 0);
      h = encoder_.cross_attention(h, b_.linear(heard, p + "encoder_attn.k_proj", 0),
                                   b_.linear(heard, p + "encoder_attn.v_proj", 0), i);
      x = b_.residual(b_.linear(h, p + "encoder_attn.out_proj", 1), x);
      x = mlp(x, p);
    }
    return x;
  }

  int norm(int x, const std::string& name) { return b_.layer_norm(x, name, c_["layer_norm_eps"]); }

 private:
  int mlp(int x, const std::string& p) {
    const int h = norm(x, p + "final_layer_norm");
    return b_.residual(b_.mlp(h, p + "fc1", activation_, p + "fc2"), x);
  }

  const Json& c_;
  DecoderBuilder& b_;
  EncoderBuilder encoder_;
  DecoderBuilder::Attention attention_;
  std::string activation_;
};

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_target_positions"], graph);
  DecoderBuilder::Attention attention;
  attention.heads = attention.kv_heads = c["decoder_attention_heads"];
  attention.head_dim = c["d_model"].get<int64_t>() / attention.heads;
  Assembly model(c, b, attention);
  const int x = model.decode(model.encode());
  graph.set_origin("head");
  b.finish(
      x, [&](int rows) { return model.norm(rows, "decoder.layer_norm"); },
      c["tie_word_embeddings"] ? "decoder.embed_tokens.weight" : "proj_out.weight");
}

}  // namespace model_whisper

// Whisper (Radford et al., 2022) and what was distilled from it: an encoder of log-mel features
// that two convolutions begin, and a decoder that attends to it.
const ModelDef& whisper_model() {
  using namespace model_whisper;
  static const ModelDef model = {
      .name = "whisper",
      .architectures = {"WhisperForConditionalGeneration"},
      .keys = {layer_norm_key("layer_norm_eps"),
               {"d_model", "hidden_size"},
               {"decoder_layers", "num_hidden_layers"},
               {"decoder_attention_heads", "num_attention_heads"},
               {"decoder_ffn_dim", "intermediate_size"},
               {"max_target_positions", "max_position_embeddings"},
               {"activation_function", "hidden_act"},
               {"encoder_layers", "encoder_num_hidden_layers"},
               {"encoder_attention_heads", "encoder_num_attention_heads"},
               {"encoder_ffn_dim", "encoder_intermediate_size"},
               {"max_source_positions", "max_source_positions"},
               {"num_mel_bins", "num_mel_bins"},
               {"suppress_tokens", "suppress_tokens"},
               {"begin_suppress_tokens", "begin_suppress_tokens"},
               {"decoder_start_token_id", "decoder_start_token_id"}},
      .position_embeddings = {"learned_absolute"},
      .hf_prefixes = {"model.", ""},
      .ignored = {"proj_out.weight"},
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"whisper-tiny",
                   R"({"architectures": ["WhisperForConditionalGeneration"], "d_model": 384,
                       "encoder_layers": 4, "decoder_layers": 4, "encoder_attention_heads": 6,
                       "decoder_attention_heads": 6, "encoder_ffn_dim": 1536,
                       "decoder_ffn_dim": 1536, "num_mel_bins": 80, "vocab_size": 51865,
                       "max_source_positions": 1500, "max_target_positions": 448})",
                   0.038},
                  {"whisper-large-v3",
                   R"({"architectures": ["WhisperForConditionalGeneration"], "d_model": 1280,
                       "encoder_layers": 32, "decoder_layers": 32, "encoder_attention_heads": 20,
                       "decoder_attention_heads": 20, "encoder_ffn_dim": 5120,
                       "decoder_ffn_dim": 5120, "num_mel_bins": 128, "vocab_size": 51866,
                       "max_source_positions": 1500, "max_target_positions": 448})",
                   1.54}},
      .answers = false};
  return model;
}

}  // namespace ingot
