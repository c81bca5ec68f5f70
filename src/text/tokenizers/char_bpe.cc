// BPE of a tokenizer.json whose symbols start as characters, with a fallback to bytes or without:
// SentencePiece's vocabularies as converted (Llama 2, Mistral), and those that mark the ends of
// words ("</w>").
#include "text/tokenizer_formats/bpe_rules.h"
#include "text/tokenizer_formats/tokenizer_source.h"
#include "text/utf8.h"

namespace ingot {
namespace tokenizer_char_bpe {

struct Options {
  std::string prefix;  // of every symbol but a word's first
  std::string suffix;  // of a word's last symbol
  bool fuse_unknown = false;
  bool whole_words_first = false;
  bool byte_fallback = false;
};

class CharBpe final : public WordModel {
 public:
  CharBpe(const TokenizerParts& parts, const std::vector<MergeRule>& merges, Options options)
      : parts_(parts), merger_(merges), options_(std::move(options)) {
    byte_ids_ = options_.byte_fallback ? parts.byte_ids() : std::vector<int32_t>(256, -1);
  }

  void encode(std::string_view word, std::vector<int32_t>& ids) const override {
    if (options_.whole_words_first) {
      const int32_t id = parts_.find_plain(word);
      if (id >= 0) {
        ids.push_back(id);
        return;
      }
    }
    const size_t first = ids.size();
    // An unknown character waits until a known one comes or the word ends: neighbours may fuse, and
    // bytes that a fallback spells overtake it, as in the reference implementation.
    bool waiting = false;
    std::string spelled;
    for (size_t i = 0; i < word.size();) {
      const size_t length = decode_utf8(word, i).length;
      const std::string_view symbol = spell(word, i, length, spelled);
      i += length;
      const int32_t id = parts_.find_plain(symbol);
      if (id >= 0) {
        if (waiting) ids.push_back(parts_.unk_id);
        waiting = false;
        ids.push_back(id);
      } else if (!push_bytes(symbol, ids) && parts_.unk_id >= 0) {
        if (waiting && !options_.fuse_unknown) ids.push_back(parts_.unk_id);
        waiting = true;
      }
    }
    if (waiting) ids.push_back(parts_.unk_id);
    merger_.merge(ids, first);
  }

 private:
  std::string_view spell(std::string_view word, size_t at, size_t length,
                         std::string& spelled) const {
    const std::string_view symbol = word.substr(at, length);
    const bool first = at == 0, last = at + length == word.size();
    if ((first || options_.prefix.empty()) && (!last || options_.suffix.empty())) return symbol;
    spelled.clear();
    if (!first) spelled += options_.prefix;
    spelled += symbol;
    if (last) spelled += options_.suffix;
    return spelled;
  }
  bool push_bytes(std::string_view symbol, std::vector<int32_t>& ids) const {
    for (const char c : symbol) {
      if (byte_ids_[static_cast<uint8_t>(c)] < 0) return false;
    }
    for (const char c : symbol) ids.push_back(byte_ids_[static_cast<uint8_t>(c)]);
    return true;
  }

  const TokenizerParts& parts_;
  BpeMerger merger_;
  Options options_;
  std::vector<int32_t> byte_ids_;
};

// Gemma 4 in GGUF: the tokenizer.json's merges, over lines and runs of line breaks.
inline std::unique_ptr<WordModel> read_vocab(const VocabSource& vocab, TokenizerParts& parts) {
  const std::string marker = "\u2581";
  parts.normalizers.push_back(make_replace_normalizer(make_literal_pattern(" "), marker));
  parts.decoder.byte_fallback = true;
  parts.decoder.add_replacement(marker, " ");
  parts.pre_tokenizers.push_back(
      make_split(make_regex_pattern("[^\\n]+|\\n+", parts.file), SplitBehavior::kIsolated, false));
  parts.add_bos = true;
  return std::make_unique<CharBpe>(parts, read_merge_lines(vocab.merges, parts),
                                   Options{.fuse_unknown = true, .byte_fallback = true});
}

inline std::unique_ptr<WordModel> read(const TokenizerSource& source, TokenizerParts& parts) {
  if (source.vocab) return read_vocab(*source.vocab, parts);
  const TokenizerJson& json = *source.json;
  check_json_bpe(json);
  Options options;
  options.prefix = json.text("continuing_subword_prefix");
  options.suffix = json.text("end_of_word_suffix");
  options.fuse_unknown = json.flag("fuse_unk");
  options.whole_words_first = json.flag("ignore_merges");
  options.byte_fallback = json.flag("byte_fallback");
  const auto merges = read_json_merges(json, parts, options.prefix);
  return std::make_unique<CharBpe>(parts, merges, std::move(options));
}

}  // namespace tokenizer_char_bpe

const TokenizerDef& char_bpe_tokenizer();
const TokenizerDef& char_bpe_tokenizer() {
  static const TokenizerDef def = {
      .name = "char_bpe",
      .json_models = {"BPE"},
      .vocab_models = {"gemma4"},
      .file_endings = {},
      .folder_names = {},
      .claims = [](const TokenizerSource& s) { return !s.json || !is_json_byte_level(*s.json); },
      .read = tokenizer_char_bpe::read};
  return def;
}

}  // namespace ingot
