#include "models/contract/bert_family.h"

namespace ingot {
namespace model_roberta {
constexpr BertVariant kVariant = {.positions_after_padding = true};
}  // namespace model_roberta

// RoBERTa (Liu et al., 2019) and XLM-RoBERTa (Conneau et al., 2020): BERT whose positions count
// from behind the padding's. GGUF files call both BERT and have no rows before the first position.
const ModelDef& roberta_model() {
  using namespace model_roberta;
  static const ModelDef model = {
      .name = "roberta",
      .architectures = {"RobertaModel", "RobertaForMaskedLM", "XLMRobertaModel",
                        "XLMRobertaForMaskedLM"},
      .keys = bert_keys(),
      .position_embeddings = {"learned_absolute"},
      .hf_prefixes = {"", "roberta."},
      .ignored = {"embeddings.position_ids", "roberta.embeddings.position_ids", "lm_head.*"},
      .parse_config = [](const ModelSource& s,
                         const Json& raw) { return parse_bert_config(s, raw, kVariant); },
      .weights = [](const Json& config) { return bert_weights(config, kVariant); },
      .build = build_bert,
      .presets = {{"roberta-base",
                   R"({"architectures": ["RobertaModel"], "hidden_size": 768,
                       "num_hidden_layers": 12, "num_attention_heads": 12,
                       "intermediate_size": 3072, "vocab_size": 50265, "type_vocab_size": 1,
                       "max_position_embeddings": 514, "layer_norm_eps": 1e-5, "pad_token_id": 1})",
                   0.12}},
      .answers = false,
      .encodes = true};
  return model;
}

}  // namespace ingot
