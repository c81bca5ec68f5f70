// Byte-level BPE (GPT-2, Llama 3, Qwen2, SmolLM2): symbols start as single bytes.
#include <algorithm>

#include "base/error.h"
#include "text/tokenizer_formats/bpe_rules.h"
#include "text/tokenizer_formats/tokenizer_source.h"
#include "text/tokenizer_pipeline/byte_level_model.h"

namespace ingot {
namespace tokenizer_byte_level_bpe {

// What a pre-tokenizer's name in a GGUF file means.
struct PreKind {
  std::string_view name;
  std::vector<std::string_view> splits;
  bool nfc = false;
  bool whole_words_first = false;
  bool add_bos = false;
};

// Splits of DeepSeek's tokenizers: letters that have had case since Unicode 6, but for alphabets
// that have none in writing; punctuation of ASCII, its wide forms and quotes.
constexpr std::string_view kDeepSeekCased =
    "\\s?(?:(?![\\x{560}-\\x{588}\\x{10C7}-\\x{10FF}\\x{1C80}-\\x{1C8F}\\x{2D00}-\\x{2D2F}"
    "\\x{A790}-\\x{A7FF}\\x{AB30}-\\x{AB6F}\\x{10570}-\\x{105BF}\\x{16E40}-\\x{16E7F}"
    "\\x{1D400}-\\x{1DFFF}])[\\p{Lu}\\p{Ll}\\p{Lt}])+";
constexpr std::string_view kDeepSeekMarks =
    "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+";
constexpr std::string_view kDeepSeekAsian =
    "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+";
constexpr std::string_view kDeepSeek3 =
    "[!\"#$%&'()*+,\\-./"
    ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";
// Qwen 3.5: marks belong to words.
constexpr std::string_view kQwen35Split =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| "
    "?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kBloomSplit =
    " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+";

inline const std::vector<PreKind>& pre_kinds() {
  // The default of files written before the name existed: punctuation apart, then the GPT-2 words,
  // then digits in threes.
  static const std::vector<std::string_view> plain = {
      "[\\p{P}\\$\\+<=>\\^~\\|]+",
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", "\\p{N}+",
      "[0-9][0-9][0-9]"};
  static const std::vector<std::string_view> digits = {"\\p{N}", kGpt2Split};
  static const std::vector<std::string_view> falcon = {"[\\p{P}\\$\\+<=>\\^~\\|`]+", kGpt2Split,
                                                       "[0-9][0-9][0-9]"};
  static const std::vector<std::string_view> deepseek = {"[\r\n]", kDeepSeekCased, kDeepSeekMarks,
                                                         "\\s+$",  kDeepSeekAsian, "\\p{N}+"};
  static const std::vector<std::string_view> deepseek_coder = {
      "[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", kDeepSeekAsian, "\\p{N}"};
  static const std::vector<std::string_view> deepseek3 = {
      "\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+", kDeepSeek3};
  static const std::vector<PreKind> kinds = {
      {"default", plain},
      {"gpt-2", {kGpt2Split}},
      {"mpt", {kGpt2Split}},
      {"olmo", {kGpt2Split}},
      {"phi-2", {kGpt2Split}},
      {"jais", {kGpt2Split}},
      {"trillion", {kGpt2Split}},
      {"granite-docling", {kGpt2Split}},
      {"smollm", digits},
      {"starcoder", digits},
      {"refact", digits},
      {"command-r", digits},
      {"codeshell", digits},
      {"exaone", digits},
      {"minerva-7b", digits},
      {"falcon", falcon},
      {"deepseek-llm", deepseek},
      {"deepseek-coder", deepseek_coder},
      {"deepseek-v3", deepseek3},
      {"bloom", {kBloomSplit}},
      {"poro-chat", {kBloomSplit}},
      {"gpt3-finnish", {kBloomSplit}},
      {"viking", {kBloomSplit, "\\p{N}"}},
      {"llama-bpe", {kLlama3Split}, false, true, true},
      {"llama3", {kLlama3Split}, false, true, true},
      {"llama-v3", {kLlama3Split}, false, true, true},
      {"falcon3", {kLlama3Split}, false, true, true},
      {"falcon-h1", {kLlama3Split}, false, true, true},
      {"lfm2", {kLlama3Split}, false, true, true},
      {"glm4", {kLlama3Split}, false, true},
      {"dbrx", {kLlama3Split}},
      {"smaug-bpe", {kLlama3Split}},
      {"chatglm-bpe", {kLlama3Split}},
      {"tekken", {kTekkenSplit}, false, true, true},
      {"gpt-4o", {kO200kSplit}},
      {"llama4", {kO200kSplit}},
      {"qwen35", {kQwen35Split}},
      {"stablelm2", {kQwen2Split}},
      {"qwen2", {kQwen2Split}, true},
      {"deepseek-r1-qwen", {kQwen2Split}, true},
  };
  return kinds;
}

inline std::unique_ptr<WordModel> read_vocab(const VocabSource& vocab, TokenizerParts& parts) {
  const auto& kinds = pre_kinds();
  const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                 [&](const PreKind& k) { return k.name == vocab.pre; });
  if (kind == kinds.end()) {
    fail(ErrorCode::kUnsupported, "text/byte_level_bpe", "{}: pre-tokenizer '{}' is not supported",
         parts.file, vocab.pre);
  }
  parts.byte_level = parts.decoder.byte_level = true;
  if (kind->nfc) parts.normalizers.push_back(make_unicode_normalizer(UnicodeForm::kNfc));
  for (const std::string_view split : kind->splits) {
    parts.pre_tokenizers.push_back(
        split == "\\p{N}"
            ? make_digits_split(true)
            : make_split(make_regex_pattern(split, parts.file), SplitBehavior::kIsolated, false));
  }
  parts.add_bos = kind->add_bos;
  return make_byte_level_model(parts, read_merge_lines(vocab.merges, parts),
                               {.whole_words_first = kind->whole_words_first});
}

inline std::unique_ptr<WordModel> read(const TokenizerSource& source, TokenizerParts& parts) {
  if (source.vocab) return read_vocab(*source.vocab, parts);
  parts.byte_level = true;
  check_json_bpe(*source.json);
  return make_byte_level_model(parts, read_json_merges(*source.json, parts, ""),
                               {.fuse_unknown = source.json->flag("fuse_unk"),
                                .whole_words_first = source.json->flag("ignore_merges")});
}

}  // namespace tokenizer_byte_level_bpe

const TokenizerDef& byte_level_bpe_tokenizer();
const TokenizerDef& byte_level_bpe_tokenizer() {
  static const TokenizerDef def = {
      .name = "byte_level_bpe",
      .json_models = {"BPE"},
      .vocab_models = {"gpt2"},
      .file_endings = {},
      .folder_names = {},
      .claims = [](const TokenizerSource& s) { return !s.json || is_json_byte_level(*s.json); },
      .read = tokenizer_byte_level_bpe::read};
  return def;
}

}  // namespace ingot
