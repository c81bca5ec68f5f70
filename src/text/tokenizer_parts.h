// A tokenizer file in neutral form, whichever format it came from. Internal to text/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/added_tokens.h"
#include "text/bpe_merger.h"
#include "text/hash_tables.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"

namespace ingot {

// How tokens turn back into bytes.
struct TokenDecoder {
  bool byte_level = false;     // tokens are spelled in the byte alphabet
  bool byte_fallback = false;  // <0xXX> is one byte
  std::vector<std::pair<std::string, std::string>> replacements;
  int drop_spaces = 0;  // at the front of the text
};

struct TokenizerParts {
  TokenizerParts() = default;
  TokenizerParts(const TokenizerParts&) = delete;  // `index` points into `tokens`
  TokenizerParts& operator=(const TokenizerParts&) = delete;

  std::string file;         // for messages
  std::string model_type;   // "BPE"
  bool byte_level = false;  // words are bytes, spelled in the byte alphabet by the vocabulary
  bool byte_fallback = false;
  bool fuse_unknown = false;
  bool whole_words_first = false;  // a word that is a token is not split ("ignore_merges")
  int32_t unk_id = -1;             // what the model gives for what it cannot spell; -1: nothing

  std::vector<std::string> tokens;  // by id; empty for holes
  std::vector<TokenKind> kinds;     // one a token
  StringIndex index;                // of the tokens, by their text
  std::vector<MergeRule> merges;

  std::vector<AddedToken> added;
  std::vector<std::unique_ptr<Normalizer>> normalizers;
  std::vector<std::unique_ptr<PreTokenizer>> pre_tokenizers;
  std::vector<int32_t> prefix;  // the post-processor's ids before and behind the text
  std::vector<int32_t> suffix;
  TokenDecoder decoder;

  int32_t bos_id = -1;
  int32_t eos_id = -1;
  int32_t pad_id = -1;

  int32_t find(std::string_view token) const { return index.find(token); }
  // The id of a token that the model may produce: none that is only matched as a whole.
  int32_t find_plain(std::string_view token) const {
    const int32_t id = index.find(token);
    const bool plain =
        id >= 0 && kinds[id] != TokenKind::kControl && kinds[id] != TokenKind::kAdded;
    return plain ? id : -1;
  }
};

// Most ids a vocabulary may have, and the longest token, in bytes, that is matched as a whole (time
// of a search grows with it).
inline constexpr size_t kMaxVocabulary = size_t{1} << 24;
inline constexpr size_t kMaxAddedTokenBytes = 1024;

std::unique_ptr<TokenizerParts> parts_from_tokenizer_json(std::string_view json,
                                                          const TokenizerConfig& config,
                                                          std::string_view file);
std::unique_ptr<TokenizerParts> parts_from_vocab(const VocabSource& vocabulary,
                                                 std::string_view file);

// Reads of tokenizer.json's pipeline components into `parts`. Error{kUnsupported} names the type.
void parse_normalizer(const Json& node, TokenizerParts& parts);
void parse_pre_tokenizer(const Json& node, TokenizerParts& parts);
void parse_post_processor(const Json& node, TokenizerParts& parts);
void parse_decoder(const Json& node, TokenizerParts& parts);

}  // namespace ingot
