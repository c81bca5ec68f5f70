// SentencePiece's BPE (Llama 1 and 2, Mistral, Gemma), from its own files and from GGUF: any two
// neighbours whose union is a token are joined, best score first.
#include <unordered_map>

#include "base/error.h"
#include "text/tokenizer_formats/bpe_rules.h"
#include "text/tokenizer_formats/sentencepiece_file.h"
#include "text/tokenizer_formats/tokenizer_source.h"
#include "text/tokenizer_pipeline/byte_trie.h"
#include "text/tokenizer_pipeline/sentencepiece_normalizer.h"
#include "text/utf8.h"

namespace ingot {
namespace tokenizer_sentencepiece_bpe {

class SentencePieceBpe final : public WordModel {
 public:
  SentencePieceBpe(const TokenizerParts& parts, bool byte_fallback)
      : parts_(parts), none_(static_cast<int32_t>(parts.tokens.size())), merger_(find_rules()) {
    byte_ids_ = byte_fallback ? parts.byte_ids() : std::vector<int32_t>(256, -1);
    for (size_t i = 0; i < parts.tokens.size(); ++i) {
      if (parts.is_user_piece(i)) user_.insert(parts.tokens[i], static_cast<int32_t>(i));
    }
  }

  void encode(std::string_view word, std::vector<int32_t>& ids) const override {
    const size_t first = ids.size();
    for (size_t i = 0; i < word.size();) {
      const ByteTrie::Match user = user_.longest(word, i);
      const size_t length = user.value >= 0 ? user.length : decode_utf8(word, i).length;
      ids.push_back(user.value >= 0 ? user.value : symbol(word.substr(i, length)));
      i += length;
    }
    merger_.merge(ids, first);
    write_unknown(word, ids, first);
  }

 private:
  // A token of the vocabulary that merges may make.
  int32_t find(std::string_view text) const {
    const int32_t id = parts_.find(text);
    return id >= 0 && parts_.kinds[id] == TokenKind::kNormal ? id : -1;
  }
  // Characters without a token take part in merges all the same, under ids above the vocabulary;
  // none_ stands for those that no token holds.
  int32_t symbol(std::string_view character) const {
    if (const int32_t id = find(character); id >= 0) return id;
    const auto other = others_.find(decode_utf8(character, 0).code);
    return other == others_.end() ? none_ : other->second;
  }

  std::vector<MergeRule> find_rules() {
    for (size_t i = 0; i < parts_.tokens.size(); ++i) {
      const std::string_view token = parts_.tokens[i];
      if (parts_.kinds[i] != TokenKind::kNormal) continue;
      for (size_t k = 0; k < token.size();) {
        const Utf8Char c = decode_utf8(token, k);
        const bool other = c.length < token.size() && find(token.substr(k, c.length)) < 0;
        if (other) others_.emplace(c.code, none_ + 1 + static_cast<int32_t>(others_.size()));
        k += c.length;
      }
    }
    const auto ranks = ranks_of_scores(parts_.scores);
    return find_merges(parts_, parts_.tokens, ranks, [&](std::string_view text) {
      if (const int32_t id = find(text); id >= 0 || others_.empty()) return id;
      const Utf8Char c = decode_utf8(text, 0);
      if (!c.valid || c.length != text.size()) return -1;
      const auto other = others_.find(c.code);
      return other == others_.end() ? -1 : other->second;
    });
  }

  // Ids above the vocabulary become bytes or the unknown token, one for neighbours.
  void write_unknown(std::string_view word, std::vector<int32_t>& ids, size_t first) const {
    size_t i = first;
    while (i < ids.size() && ids[i] < none_) ++i;
    if (i == ids.size()) return;
    const std::vector<int32_t> symbols(ids.begin() + static_cast<ptrdiff_t>(first), ids.end());
    ids.resize(first);
    size_t at = 0;
    bool unknown_before = false;
    for (const int32_t id : symbols) {
      const bool known = id < none_;
      const size_t length = known ? parts_.tokens[id].size() : decode_utf8(word, at).length;
      const std::string_view text = word.substr(at, length);
      at += length;
      if (known) {
        ids.push_back(id);
      } else if (byte_ids_[0] >= 0 && push_bytes(text, ids)) {
        continue;
      } else if (!unknown_before && parts_.unk_id >= 0) {
        ids.push_back(parts_.unk_id);
      }
      unknown_before = !known;
    }
  }
  bool push_bytes(std::string_view symbol, std::vector<int32_t>& ids) const {
    for (const char c : symbol) {
      if (byte_ids_[static_cast<uint8_t>(c)] < 0) return false;
    }
    for (const char c : symbol) ids.push_back(byte_ids_[static_cast<uint8_t>(c)]);
    return true;
  }

  const TokenizerParts& parts_;
  int32_t none_;
  std::unordered_map<char32_t, int32_t> others_;
  BpeMerger merger_;
  ByteTrie user_;
  std::vector<int32_t> byte_ids_;
};

inline void check_scores(const TokenizerParts& parts) {
  if (!parts.scores.empty()) return;
  fail(ErrorCode::kCorrupt, "text/sentencepiece_bpe", "{}: a 'llama' vocabulary without scores",
       parts.file);
}

inline std::unique_ptr<WordModel> read(const TokenizerSource& source, TokenizerParts& parts) {
  if (!source.vocab) {
    const SentencePieceFile model = read_sentencepiece_file(source.bytes, source.file);
    use_sentencepiece(model, source.config, parts);
    return std::make_unique<SentencePieceBpe>(parts, model.byte_fallback);
  }
  check_scores(parts);
  parts.decoder.byte_fallback = true;
  parts.decoder.add_replacement(std::string(kSpaceMarker), " ");
  if (source.vocab->add_space_prefix.value_or(true)) {
    parts.normalizers.push_back(make_prepend_normalizer(std::string(kSpaceMarker)));
    parts.decoder.drop_spaces = 1;
  }
  parts.normalizers.push_back(
      make_replace_normalizer(make_literal_pattern(" "), std::string(kSpaceMarker)));
  parts.add_bos = true;
  return std::make_unique<SentencePieceBpe>(parts, true);
}

inline bool claims(const TokenizerSource& source) {
  return source.vocab || is_sentencepiece(source, SentencePieceFile::Type::kBpe);
}

}  // namespace tokenizer_sentencepiece_bpe

const TokenizerDef& sentencepiece_bpe_tokenizer();
const TokenizerDef& sentencepiece_bpe_tokenizer() {
  static const TokenizerDef def = {.name = "sentencepiece_bpe",
                                   .json_models = {},
                                   .vocab_models = {"llama"},
                                   .file_endings = sentencepiece_endings(),
                                   .folder_names = sentencepiece_names(),
                                   .claims = tokenizer_sentencepiece_bpe::claims,
                                   .read = tokenizer_sentencepiece_bpe::read};
  return def;
}

}  // namespace ingot
