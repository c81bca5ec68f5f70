// What a tokenizer is read from, and the steps that its kind need not know. Internal to text/.
//   tokenizer.json  vocabulary and added tokens -> parts; the kind reads its model; then
//   normalizer,
//                   pre-tokenizer, post-processor, decoder and the named tokens -> parts.
//   GGUF            tokens, their kinds and special ids -> parts; the kind reads the rest; then BOS
//                   and EOS by the file's flags, else by parts.add_bos and parts.add_eos.
//   another file    the kind reads it all; then as for GGUF, by tokenizer_config.json.
#pragma once

#include <memory>
#include <string_view>

#include "text/tokenizer_formats/tokenizer_json.h"
#include "text/tokenizer_pipeline/tokenizer_parts.h"

namespace ingot {

struct TokenizerSource {
  std::string_view file;  // for messages
  const TokenizerConfig& config;
  // One of these three is there.
  const TokenizerJson* json = nullptr;
  const VocabSource* vocab = nullptr;
  std::string_view bytes;  // of a file in another format
  std::string_view name;   // of that file
};

// A tokenizer in parts, with its model, which points into them.
struct LoadedTokenizer {
  std::unique_ptr<TokenizerParts> parts;
  const TokenizerDef* def = nullptr;
  std::unique_ptr<WordModel> model;
};

// Error{kUnsupported} when no kind claims the source.
LoadedTokenizer load_tokenizer(const TokenizerSource& source);

// Tokens, kinds, added tokens and special ids of a vocabulary. Tokens that the user defined are
// matched in the text before all else, or are left to the model and the normalizer.
enum class UserTokens { kMatchedInText, kLeftToModel };
void read_vocab_tokens(const VocabSource& vocab, UserTokens user, TokenizerParts& parts);

}  // namespace ingot
