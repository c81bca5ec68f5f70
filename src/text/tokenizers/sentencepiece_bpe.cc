// BPE over characters with a fallback to bytes (Llama 1 and 2, Mistral v0.x): what SentencePiece's
// BPE vocabularies become.
#include <array>

#include "text/bpe_merger.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

namespace ingot {
namespace tokenizer_sentencepiece_bpe {

class SentencePieceBpe final : public WordModel {
 public:
  explicit SentencePieceBpe(const TokenizerParts& parts) : parts_(parts), merger_(parts.merges) {
    for (int byte = 0; byte < 256; ++byte) {
      byte_ids_[byte] = parts.byte_fallback ? parts.find(fmt::format("<0x{:02X}>", byte)) : -1;
    }
  }

  void encode(std::string_view word, std::vector<int32_t>& ids) const override {
    if (parts_.whole_words_first) {
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
    for (size_t i = 0; i < word.size();) {
      const size_t length = decode_utf8(word, i).length;
      const std::string_view symbol = word.substr(i, length);
      i += length;
      const int32_t id = parts_.find_plain(symbol);
      if (id >= 0) {
        if (waiting) ids.push_back(parts_.unk_id);
        waiting = false;
        ids.push_back(id);
      } else if (!push_bytes(symbol, ids) && parts_.unk_id >= 0) {
        if (waiting && !parts_.fuse_unknown) ids.push_back(parts_.unk_id);
        waiting = true;
      }
    }
    if (waiting) ids.push_back(parts_.unk_id);
    merger_.merge(ids, first);
  }

 private:
  bool push_bytes(std::string_view symbol, std::vector<int32_t>& ids) const {
    for (const char c : symbol) {
      if (byte_ids_[static_cast<uint8_t>(c)] < 0) return false;
    }
    for (const char c : symbol) ids.push_back(byte_ids_[static_cast<uint8_t>(c)]);
    return true;
  }

  const TokenizerParts& parts_;
  BpeMerger merger_;
  std::array<int32_t, 256> byte_ids_{};
};

}  // namespace tokenizer_sentencepiece_bpe

const TokenizerDef& sentencepiece_bpe_tokenizer();
const TokenizerDef& sentencepiece_bpe_tokenizer() {
  using namespace tokenizer_sentencepiece_bpe;
  static const TokenizerDef def = {
      "sentencepiece_bpe",
      [](const TokenizerParts& p) { return p.model_type == "BPE" && !p.byte_level; },
      [](const TokenizerParts& p) -> std::unique_ptr<WordModel> {
        return std::make_unique<SentencePieceBpe>(p);
      }};
  return def;
}

}  // namespace ingot
