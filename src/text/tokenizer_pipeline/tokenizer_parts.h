// A tokenizer in neutral form, whichever format it came from. Internal to text/.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "text/tokenizer_pipeline/added_tokens.h"
#include "text/tokenizer_pipeline/hash_tables.h"
#include "text/tokenizer_pipeline/normalizer.h"
#include "text/tokenizer_pipeline/pre_tokenizer.h"
#include "text/tokenizer_pipeline/token_decoder.h"

namespace ingot {

struct TokenizerParts {
  TokenizerParts() = default;
  TokenizerParts(const TokenizerParts&) = delete;  // `index` points into `tokens`
  TokenizerParts& operator=(const TokenizerParts&) = delete;

  std::string file;  // for messages

  std::vector<std::string> tokens;  // by id; empty for holes
  std::vector<TokenKind> kinds;     // one a token
  std::vector<double> scores;       // empty, or one a token; holes: infinity
  StringIndex index;                // of the tokens, by their text
  int32_t unk_id = -1;              // what the model gives for what it cannot spell; -1: nothing

  // The model takes words as they are and spells bytes in the byte alphabet by itself, so a last
  // ByteLevel pre-tokenizer need not.
  bool byte_level = false;

  std::vector<AddedToken> added;
  std::vector<std::unique_ptr<Normalizer>> normalizers;
  std::vector<std::unique_ptr<PreTokenizer>> pre_tokenizers;
  std::vector<int32_t> prefix;  // the post-processor's ids before and behind the text
  std::vector<int32_t> suffix;
  TokenDecoder decoder;

  int32_t bos_id = -1;
  int32_t eos_id = -1;
  int32_t pad_id = -1;
  bool add_bos = false;  // where neither file nor configuration says
  bool add_eos = false;
  std::string chat_template;  // Tokenizer::chat_template()
  std::vector<int32_t> chat_ends;

  int32_t find(std::string_view token) const { return index.find(token); }
  // The id of a token that the model may produce: none that is only matched as a whole.
  int32_t find_plain(std::string_view token) const {
    const int32_t id = index.find(token);
    return id >= 0 && is_plain(id) ? id : -1;
  }
  bool is_plain(int32_t id) const {
    return kinds[id] != TokenKind::kControl && kinds[id] != TokenKind::kAdded;
  }
  // Of a vocabulary with scores: whether the model matches the token as a whole, as SentencePiece
  // does user-defined pieces. Tokens that a configuration added have no score: infinity.
  bool is_user_piece(size_t id) const {
    return kinds[id] == TokenKind::kAdded && !tokens[id].empty() &&
           scores[id] < std::numeric_limits<double>::infinity();
  }
  // The ids of <0x00> to <0xFF>, -1 for those that are missing.
  std::vector<int32_t> byte_ids() const;
  // Fills `index` from `tokens`.
  void make_index();
};

// Most ids a vocabulary may have, and the longest token, in bytes, that is matched as a whole or
// looked for along a text (time of a search grows with it).
inline constexpr size_t kMaxVocabulary = size_t{1} << 24;
inline constexpr size_t kMaxAddedTokenBytes = 1024;

}  // namespace ingot
