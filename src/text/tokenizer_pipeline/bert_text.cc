#include "text/tokenizer_pipeline/bert_text.h"

#include <utf8proc.h>

#include "text/tokenizer_pipeline/unicode_history.h"
#include "text/utf8.h"

namespace ingot {
namespace {

// CJK Unified Ideographs and their extensions A, B, C, D, E, and the compatibility ideographs, in
// the bounds that BERT chose.
bool is_bert_chinese(char32_t c) {
  constexpr struct {
    char32_t first, last;
  } kRanges[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                 {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  for (const auto& range : kRanges) {
    if (c >= range.first && c <= range.last) return true;
  }
  return false;
}

void clean_char(char32_t code, std::string& out) {
  const bool line = code == '\t' || code == '\n' || code == '\r';
  if (code == 0 || code == kReplacementChar || (!line && was_unicode_control(code))) return;
  append_utf8(out, is_unicode_space(code) ? U' ' : code);
}

void space_chinese(char32_t code, std::string& out) {
  const bool chinese = is_bert_chinese(code);
  if (chinese) out += ' ';
  append_utf8(out, code);
  if (chinese) out += ' ';
}

void drop_nonspacing(char32_t code, std::string& out) {
  if (!was_unicode_nonspacing(code)) append_utf8(out, code);
}

}  // namespace

void append_lowercase(char32_t code, std::string& out) {
  if (code == 0x130) {  // the one character whose lower case is two
    out += "i\xCC\x87";
    return;
  }
  append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code))));
}

void add_bert_normalizers(const BertRules& rules,
                          std::vector<std::unique_ptr<Normalizer>>& normalizers) {
  if (rules.clean_text) normalizers.push_back(make_char_normalizer(clean_char));
  if (rules.space_chinese) normalizers.push_back(make_char_normalizer(space_chinese));
  if (rules.strip_accents) {
    normalizers.push_back(make_unicode_normalizer(UnicodeForm::kNfd));
    normalizers.push_back(make_char_normalizer(drop_nonspacing));
  }
  if (rules.lowercase) normalizers.push_back(make_char_normalizer(append_lowercase));
}

void add_bert_pre_tokenizers(std::vector<std::unique_ptr<PreTokenizer>>& steps) {
  steps.push_back(make_char_split(is_unicode_space, SplitBehavior::kRemoved));
  steps.push_back(make_char_split(was_unicode_punctuation, SplitBehavior::kIsolated));
}

}  // namespace ingot
