// Byte-level BPE (GPT-2, Llama 3, Qwen2, SmolLM2): symbols start as single bytes.
#include <algorithm>

#include "base/error.h"
#include "text/bpe_rules.h"
#include "text/byte_level_model.h"
#include "text/tokenizer_source.h"

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

inline const std::vector<PreKind>& pre_kinds() {
  // The default of files written before the name existed: punctuation apart, then the GPT-2 words,
  // then digits in threes.
  static const std::vector<std::string_view> plain = {
      "[\\p{P}\\$\\+<=>\\^~\\|]+",
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", "\\p{N}+",
      "[0-9][0-9][0-9]"};
  static const std::vector<std::string_view> digits = {"\\p{N}", kGpt2Split};
  static const std::vector<PreKind> kinds = {
      {"default", plain},
      {"gpt-2", {kGpt2Split}},
      {"mpt", {kGpt2Split}},
      {"olmo", {kGpt2Split}},
      {"phi-2", {kGpt2Split}},
      {"smollm", digits},
      {"starcoder", digits},
      {"refact", digits},
      {"command-r", digits},
      {"llama-bpe", {kLlama3Split}, false, true, true},
      {"llama3", {kLlama3Split}, false, true, true},
      {"llama-v3", {kLlama3Split}, false, true, true},
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
      .claims = [](const TokenizerSource& s) { return !s.json || is_json_byte_level(*s.json); },
      .read = tokenizer_byte_level_bpe::read};
  return def;
}

}  // namespace ingot
