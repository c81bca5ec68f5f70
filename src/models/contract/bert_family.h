// What BERT and its relatives share: an encoder, norms behind each half of a layer. Texts are of
// one segment: token type 0.
#pragma once

#include "models/contract/model_def.h"

namespace ingot {

struct BertVariant {
  // Hugging Face's table of positions begins with pad_token_id + 1 rows that no token has.
  bool positions_after_padding = false;
};

// ModelDef members, in terms of a variant.
std::vector<ConfigKey> bert_keys();
Json parse_bert_config(const ModelSource& source, Json raw, const BertVariant& variant);
std::vector<WeightName> bert_weights(const Json& config, const BertVariant& variant);
// The outputs are "hidden" and, where the files have a pooler, "pooled".
void build_bert(const Json& config, const WeightSource& weights, const BuildOptions& options,
                Graph& graph);

}  // namespace ingot
