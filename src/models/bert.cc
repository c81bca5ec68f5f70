#include "models/contract/bert_family.h"

namespace ingot {
namespace model_bert {
constexpr BertVariant kVariant = {};
}  // namespace model_bert

// BERT (Devlin et al., 2018).
const ModelDef& bert_model() {
  using namespace model_bert;
  static const ModelDef model = {
      .name = "bert",
      .architectures = {"BertModel", "BertForMaskedLM", "BertForPreTraining"},
      .keys = bert_keys(),
      .position_embeddings = {"learned_absolute"},
      .hf_prefixes = {"", "bert."},
      .ignored = {"embeddings.position_ids", "bert.embeddings.position_ids", "cls.*"},
      .parse_config = [](const ModelSource& s,
                         const Json& raw) { return parse_bert_config(s, raw, kVariant); },
      .weights = [](const Json& config) { return bert_weights(config, kVariant); },
      .build = build_bert,
      .presets = {{"bert-base",
                   R"({"architectures": ["BertModel"], "hidden_size": 768, "num_hidden_layers": 12,
                       "num_attention_heads": 12, "intermediate_size": 3072, "vocab_size": 30522,
                       "max_position_embeddings": 512})",
                   0.11}},
      .answers = false,
      .encodes = true};
  return model;
}

}  // namespace ingot
