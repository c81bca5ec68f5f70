// The control files of a sentence-transformers folder: what becomes of a model's hidden states.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/embedding_rules.h"

namespace ingot {

struct SentenceFiles {
  std::optional<EmbeddingRules> rules;  // none: no modules.json, or one that is refused
  std::string refused;                  // why: file, expected, found; empty: nothing is
  // What was read: paths in the folder and contents. They make the same folder elsewhere.
  std::vector<std::pair<std::string, std::string>> files;
};

// modules.json, and the config of each module it names: Transformer (in the folder itself, with
// sentence_bert_config.json), Pooling (cls, mean or last), Normalize. Others are refused, by name.
// `config`: the model's config.json. Error{kIo, kCorrupt} naming the file and the key.
SentenceFiles read_sentence_files(const std::string& directory, const Json& config);

}  // namespace ingot
