// Byte-level BPE (GPT-2, Llama 3, Qwen2, SmolLM2): symbols start as single bytes.
#include <array>

#include "text/bpe_merger.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

namespace ingot {
namespace tokenizer_byte_level_bpe {

class ByteLevelBpe final : public WordModel {
 public:
  explicit ByteLevelBpe(const TokenizerParts& parts) : parts_(parts), merger_(parts.merges) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string spelled;
      append_utf8(spelled, byte_to_alphabet(static_cast<uint8_t>(byte)));
      byte_ids_[byte] = parts.find_plain(spelled);
    }
  }

  void encode(std::string_view word, std::vector<int32_t>& ids) const override {
    if (parts_.whole_words_first) {
      const int32_t id = parts_.find_plain(spell_bytes(word));
      if (id >= 0) {
        ids.push_back(id);
        return;
      }
    }
    const size_t first = ids.size();
    bool unknown_before = false;
    for (const char c : word) {
      int32_t id = byte_ids_[static_cast<uint8_t>(c)];
      const bool unknown = id < 0;
      if (unknown) id = parts_.unk_id;
      const bool fused = unknown && unknown_before && parts_.fuse_unknown;
      if (id >= 0 && !fused) ids.push_back(id);
      unknown_before = unknown;
    }
    merger_.merge(ids, first);
  }

 private:
  const TokenizerParts& parts_;
  BpeMerger merger_;
  std::array<int32_t, 256> byte_ids_{};
};

}  // namespace tokenizer_byte_level_bpe

const TokenizerDef& byte_level_bpe_tokenizer();
const TokenizerDef& byte_level_bpe_tokenizer() {
  using namespace tokenizer_byte_level_bpe;
  static const TokenizerDef def = {
      "byte_level_bpe",
      [](const TokenizerParts& p) { return p.model_type == "BPE" && p.byte_level; },
      [](const TokenizerParts& p) -> std::unique_ptr<WordModel> {
        return std::make_unique<ByteLevelBpe>(p);
      }};
  return def;
}

}  // namespace ingot
