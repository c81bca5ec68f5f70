// Splits where the script changes. PCRE2 knows the scripts of all characters; it is asked once.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "base/check.h"
#include "text/tokenizer_pipeline/pre_tokenizer.h"
#include "text/tokenizer_pipeline/unicode_history.h"
#include "text/utf8.h"

namespace ingot {
namespace {

// The scripts of Unicode 9, in which the reference implementation thinks.
constexpr std::string_view kScripts[] = {"Adlam",
                                         "Ahom",
                                         "AnatolianHieroglyphs",
                                         "Arabic",
                                         "Armenian",
                                         "Avestan",
                                         "Balinese",
                                         "Bamum",
                                         "BassaVah",
                                         "Batak",
                                         "Bengali",
                                         "Bhaiksuki",
                                         "Bopomofo",
                                         "Brahmi",
                                         "Braille",
                                         "Buginese",
                                         "Buhid",
                                         "CanadianAboriginal",
                                         "Carian",
                                         "CaucasianAlbanian",
                                         "Chakma",
                                         "Cham",
                                         "Cherokee",
                                         "Common",
                                         "Coptic",
                                         "Cuneiform",
                                         "Cypriot",
                                         "Cyrillic",
                                         "Deseret",
                                         "Devanagari",
                                         "Duployan",
                                         "EgyptianHieroglyphs",
                                         "Elbasan",
                                         "Ethiopic",
                                         "Georgian",
                                         "Glagolitic",
                                         "Gothic",
                                         "Grantha",
                                         "Greek",
                                         "Gujarati",
                                         "Gurmukhi",
                                         "Han",
                                         "Hangul",
                                         "Hanunoo",
                                         "Hatran",
                                         "Hebrew",
                                         "Hiragana",
                                         "ImperialAramaic",
                                         "Inherited",
                                         "InscriptionalPahlavi",
                                         "InscriptionalParthian",
                                         "Javanese",
                                         "Kaithi",
                                         "Kannada",
                                         "Katakana",
                                         "KayahLi",
                                         "Kharoshthi",
                                         "Khmer",
                                         "Khojki",
                                         "Khudawadi",
                                         "Lao",
                                         "Latin",
                                         "Lepcha",
                                         "Limbu",
                                         "LinearA",
                                         "LinearB",
                                         "Lisu",
                                         "Lycian",
                                         "Lydian",
                                         "Mahajani",
                                         "Malayalam",
                                         "Mandaic",
                                         "Manichaean",
                                         "Marchen",
                                         "MeeteiMayek",
                                         "MendeKikakui",
                                         "MeroiticCursive",
                                         "MeroiticHieroglyphs",
                                         "Miao",
                                         "Modi",
                                         "Mongolian",
                                         "Mro",
                                         "Multani",
                                         "Myanmar",
                                         "Nabataean",
                                         "NewTaiLue",
                                         "Newa",
                                         "Nko",
                                         "Ogham",
                                         "OlChiki",
                                         "OldHungarian",
                                         "OldItalic",
                                         "OldNorthArabian",
                                         "OldPermic",
                                         "OldPersian",
                                         "OldSouthArabian",
                                         "OldTurkic",
                                         "Oriya",
                                         "Osage",
                                         "Osmanya",
                                         "PahawhHmong",
                                         "Palmyrene",
                                         "PauCinHau",
                                         "PhagsPa",
                                         "Phoenician",
                                         "PsalterPahlavi",
                                         "Rejang",
                                         "Runic",
                                         "Samaritan",
                                         "Saurashtra",
                                         "Sharada",
                                         "Shavian",
                                         "Siddham",
                                         "SignWriting",
                                         "Sinhala",
                                         "SoraSompeng",
                                         "Sundanese",
                                         "SylotiNagri",
                                         "Syriac",
                                         "Tagalog",
                                         "Tagbanwa",
                                         "TaiLe",
                                         "TaiTham",
                                         "TaiViet",
                                         "Takri",
                                         "Tamil",
                                         "Tangut",
                                         "Telugu",
                                         "Thaana",
                                         "Thai",
                                         "Tibetan",
                                         "Tifinagh",
                                         "Tirhuta",
                                         "Ugaritic",
                                         "Vai",
                                         "WarangCiti",
                                         "Yi"};
constexpr int kNoScript = -1;

struct ScriptRange {
  char32_t first, last;
  int script;  // index into kScripts
};

int script_named(std::string_view name) {
  return static_cast<int>(std::find(std::begin(kScripts), std::end(kScripts), name) - kScripts);
}

// All characters of Unicode 9, in order.
std::string assigned_characters() {
  std::string text;
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    if (is_unicode_assigned(code) && !is_newer_than_unicode9(code)) append_utf8(text, code);
  }
  return text;
}

// Ranges in order: one expression, whose group number tells the script, cuts a text of all
// characters into runs.
std::vector<ScriptRange> find_ranges() {
  std::string expression;
  for (const std::string_view script : kScripts) {
    expression += expression.empty() ? "" : "|";
    expression.append("(\\p{sc:").append(script).append("}+)");
  }
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()),
                                   expression.size(), PCRE2_UTF | PCRE2_UCP, &error, &at, nullptr);
  CHECK_MSG(code != nullptr, "error {} at {} of {}", error, at, expression);
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  pcre2_match_data* data = pcre2_match_data_create_from_pattern(code, nullptr);
  const std::string text = assigned_characters();
  std::vector<ScriptRange> ranges;
  for (size_t i = 0; i < text.size();) {
    const int group = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), i,
                                  0, data, nullptr);
    if (group == PCRE2_ERROR_NOMATCH) break;
    CHECK_MSG(group > 1, "error {} at byte {}", group, i);
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data);
    for (i = bounds[0]; i < bounds[1];) {
      const Utf8Char c = decode_utf8(text, i);
      const bool next =
          !ranges.empty() && ranges.back().script == group - 2 && ranges.back().last + 1 == c.code;
      if (next) {
        ranges.back().last = c.code;
      } else {
        ranges.push_back({c.code, c.code, group - 2});
      }
      i += c.length;
    }
  }
  pcre2_match_data_free(data);
  pcre2_code_free(code);
  return ranges;
}

int raw_script(char32_t code) {
  static const std::vector<ScriptRange> ranges = find_ranges();
  const auto at = std::lower_bound(ranges.begin(), ranges.end(), code,
                                   [](const ScriptRange& r, char32_t c) { return r.last < c; });
  return at == ranges.end() || at->first > code ? kNoScript : at->script;
}

// Characters that have been given another script since.
bool was_common(char32_t code) { return code == 0x589 || code == 0x61B || code == 0x61C; }
bool was_devanagari(char32_t code) { return code == 0x953 || code == 0x954; }

int script_of(char32_t code) {
  static const int han = script_named("Han"), hiragana = script_named("Hiragana"),
                   katakana = script_named("Katakana");
  static const int common = script_named("Common"), devanagari = script_named("Devanagari");
  if (code == ' ') return kNoScript;
  if (was_common(code)) return common;
  if (was_devanagari(code)) return devanagari;
  if (code == 0x30FC) return han;  // the prolonged sound mark
  const int script = raw_script(code);
  return script == hiragana || script == katakana ? han : script;
}

class ScriptSplit final : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    std::vector<Words::Bounds> out;
    for (const Words::Bounds& word : words.words) {
      int last = kNoScript;
      for (size_t i = word.begin; i < word.end;) {
        const Utf8Char c = decode_utf8(words.text, i);
        const int script = script_of(c.code);
        if (script != kNoScript && script != last) {
          out.push_back({i, i});
          last = script;
        }
        i += c.length;
        if (last != kNoScript) out.back().end = i;
      }
    }
    words.words = std::move(out);
  }
};

}  // namespace

std::unique_ptr<PreTokenizer> make_script_split() { return std::make_unique<ScriptSplit>(); }

}  // namespace ingot
