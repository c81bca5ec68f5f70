// BPE whose symbols start as single bytes. Internal to text/.
#pragma once

#include <memory>
#include <vector>

#include "text/tokenizer_pipeline/bpe_merger.h"
#include "text/tokenizer_pipeline/tokenizer_parts.h"

namespace ingot {

struct ByteLevelOptions {
  bool fuse_unknown = false;       // neighbours that the vocabulary lacks are one unknown token
  bool whole_words_first = false;  // a word that is a token is not split ("ignore_merges")
};

// Tokens of `parts` are spelled in the byte alphabet; `parts` must outlive the model.
std::unique_ptr<WordModel> make_byte_level_model(const TokenizerParts& parts,
                                                 const std::vector<MergeRule>& merges,
                                                 const ByteLevelOptions& options);

}  // namespace ingot
