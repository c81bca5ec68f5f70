// The normalizers of tokenizer.json.
#include "text/base64.h"
#include "text/tokenizer_formats/pipeline_json.h"
#include "text/tokenizer_formats/tokenizer_json.h"
#include "text/tokenizer_pipeline/bert_text.h"
#include "text/tokenizer_pipeline/byte_alphabet.h"
#include "text/tokenizer_pipeline/sentencepiece_normalizer.h"
#include "text/tokenizer_pipeline/unicode_history.h"
#include "text/utf8.h"

namespace ingot {
namespace {

template <UnicodeForm form>
void read_form(const Json&, TokenizerParts& parts) {
  parts.normalizers.push_back(make_unicode_normalizer(form));
}

template <CharRewrite rewrite>
void read_rewrite(const Json&, TokenizerParts& parts) {
  parts.normalizers.push_back(make_char_normalizer(rewrite));
}

void drop_marks(char32_t code, std::string& out) {
  if (!was_unicode_mark(code)) append_utf8(out, code);
}

void spell_char(char32_t code, std::string& out) {
  std::string bytes;
  append_utf8(bytes, code);
  out += spell_bytes(bytes);
}

// The clean-up of Google's NMT: most control characters go, several others become a space.
void clean_nmt(char32_t c, std::string& out) {
  const bool dropped = (c >= 1 && c <= 8) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
                       c == 0x8F || c == 0x9F;
  if (dropped) return;
  const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                     (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                     c == 0xFEFF || c == 0xFFFD;
  append_utf8(out, space ? U' ' : c);
}

void read_prepend(const Json& node, TokenizerParts& parts) {
  parts.normalizers.push_back(make_prepend_normalizer(text_field(node, "prepend", parts)));
}

void read_replace(const Json& node, TokenizerParts& parts) {
  parts.normalizers.push_back(
      make_replace_normalizer(pattern_field(node, parts), text_field(node, "content", parts)));
}

void read_strip(const Json& node, TokenizerParts& parts) {
  parts.normalizers.push_back(make_strip_normalizer(flag_field(node, "strip_left", true, parts),
                                                    flag_field(node, "strip_right", true, parts)));
}

void read_bert(const Json& node, TokenizerParts& parts) {
  BertRules rules;
  rules.clean_text = flag_field(node, "clean_text", true, parts);
  rules.space_chinese = flag_field(node, "handle_chinese_chars", true, parts);
  rules.lowercase = flag_field(node, "lowercase", true, parts);
  rules.strip_accents = flag_field(node, "strip_accents", rules.lowercase, parts);
  add_bert_normalizers(rules, parts.normalizers);
}

void read_precompiled(const Json& node, TokenizerParts& parts) {
  std::string map;
  if (!decode_base64(text_field(node, "precompiled_charsmap", "", parts), map)) {
    fail(ErrorCode::kCorrupt, kTokenizerJson, "{}: 'precompiled_charsmap' is not base64",
         parts.file);
  }
  if (!map.empty())
    parts.normalizers.push_back(make_charsmap_normalizer(Charsmap(map, parts.file)));
}

constexpr ComponentRow kNormalizers[] = {
    {"BertNormalizer", read_bert},
    {"ByteLevel", read_rewrite<spell_char>},
    {"Lowercase", read_rewrite<append_lowercase>},
    {"NFC", read_form<UnicodeForm::kNfc>},
    {"NFD", read_form<UnicodeForm::kNfd>},
    {"NFKC", read_form<UnicodeForm::kNfkc>},
    {"NFKD", read_form<UnicodeForm::kNfkd>},
    {"Nmt", read_rewrite<clean_nmt>},
    {"Precompiled", read_precompiled},
    {"Prepend", read_prepend},
    {"Replace", read_replace},
    {"Strip", read_strip},
    {"StripAccents", read_rewrite<drop_marks>},
};

}  // namespace

void parse_normalizer(const Json& node, TokenizerParts& parts) {
  read_component(node, "normalizer", "normalizers", kNormalizers, parts);
}

}  // namespace ingot
