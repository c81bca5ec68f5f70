// What BERT's tokenizers do to a text before WordPiece. Internal to text/.
#pragma once

#include <memory>

#include "text/tokenizer_pipeline/normalizer.h"
#include "text/tokenizer_pipeline/pre_tokenizer.h"

namespace ingot {

struct BertRules {
  bool clean_text = true;     // control characters go, white space becomes a space
  bool space_chinese = true;  // a space on either side of a CJK ideograph
  bool strip_accents = true;
  bool lowercase = true;
};

void add_bert_normalizers(const BertRules& rules,
                          std::vector<std::unique_ptr<Normalizer>>& normalizers);

// Appends a character's lower case, which may be several characters.
void append_lowercase(char32_t code, std::string& out);

// Words between white space, and punctuation each for itself.
void add_bert_pre_tokenizers(std::vector<std::unique_ptr<PreTokenizer>>& steps);

}  // namespace ingot
