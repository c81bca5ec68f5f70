// The pre-tokenizers of tokenizer.json.
#include "text/tokenizer_formats/pipeline_json.h"
#include "text/tokenizer_formats/tokenizer_json.h"
#include "text/tokenizer_pipeline/bert_text.h"
#include "text/tokenizer_pipeline/unicode_history.h"
#include "text/utf8.h"

namespace ingot {
namespace {

SplitBehavior behavior_field(const Json& node, const TokenizerParts& parts) {
  const std::string name = text_field(node, "behavior", "Isolated", parts);
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  refuse_component("split behavior", name, parts);
}

void read_byte_level(const Json& node, TokenizerParts& parts) {
  if (flag_field(node, "add_prefix_space", true, parts)) {
    parts.pre_tokenizers.push_back(make_prefix_space());
  }
  if (flag_field(node, "use_regex", true, parts)) {
    parts.pre_tokenizers.push_back(
        make_split(make_regex_pattern(kGpt2Split, parts.file), SplitBehavior::kIsolated, false));
  }
  if (!parts.byte_level) parts.pre_tokenizers.push_back(make_byte_spelling());
}

void read_split(const Json& node, TokenizerParts& parts) {
  parts.pre_tokenizers.push_back(make_split(pattern_field(node, parts), behavior_field(node, parts),
                                            flag_field(node, "invert", false, parts)));
}

void read_digits(const Json& node, TokenizerParts& parts) {
  parts.pre_tokenizers.push_back(
      make_digits_split(flag_field(node, "individual_digits", false, parts)));
}

void read_metaspace(const Json& node, TokenizerParts& parts) {
  parts.pre_tokenizers.push_back(make_metaspace(marker_field(node, parts),
                                                scheme_field(node, parts),
                                                flag_field(node, "split", true, parts)));
}

void read_delimiter(const Json& node, TokenizerParts& parts) {
  std::string delimiter = text_field(node, "delimiter", parts);
  if (delimiter.empty()) refuse_component("delimiter", delimiter, parts);
  parts.pre_tokenizers.push_back(
      make_split(make_literal_pattern(std::move(delimiter)), SplitBehavior::kRemoved, false));
}

void read_punctuation(const Json& node, TokenizerParts& parts) {
  parts.pre_tokenizers.push_back(
      make_char_split(was_unicode_punctuation, behavior_field(node, parts)));
}

void read_white_space(const Json&, TokenizerParts& parts) {
  parts.pre_tokenizers.push_back(make_char_split(is_unicode_space, SplitBehavior::kRemoved));
}

constexpr ComponentRow kPreTokenizers[] = {
    {"BertPreTokenizer",
     [](const Json&, TokenizerParts& p) { add_bert_pre_tokenizers(p.pre_tokenizers); }},
    {"ByteLevel", read_byte_level},
    {"CharDelimiterSplit", read_delimiter},
    {"Digits", read_digits},
    {"Metaspace", read_metaspace},
    {"Punctuation", read_punctuation},
    {"Split", read_split},
    {"UnicodeScripts",
     [](const Json&, TokenizerParts& p) { p.pre_tokenizers.push_back(make_script_split()); }},
    {"Whitespace",
     [](const Json&, TokenizerParts& p) { p.pre_tokenizers.push_back(make_word_split()); }},
    {"WhitespaceSplit", read_white_space},
};

}  // namespace

void parse_pre_tokenizer(const Json& node, TokenizerParts& parts) {
  read_component(node, "pre-tokenizer", "pretokenizers", kPreTokenizers, parts);
}

}  // namespace ingot
