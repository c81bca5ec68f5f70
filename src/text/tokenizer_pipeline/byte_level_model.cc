#include "text/tokenizer_pipeline/byte_level_model.h"

#include <array>

#include "text/tokenizer_pipeline/byte_alphabet.h"
#include "text/utf8.h"

namespace ingot {
namespace {

class ByteLevelModel final : public WordModel {
 public:
  ByteLevelModel(const TokenizerParts& parts, const std::vector<MergeRule>& merges,
                 const ByteLevelOptions& options)
      : parts_(parts), merger_(merges), options_(options) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string spelled;
      append_utf8(spelled, byte_to_alphabet(static_cast<uint8_t>(byte)));
      byte_ids_[byte] = parts.find_plain(spelled);
    }
  }

  void encode(std::string_view word, std::vector<int32_t>& ids) const override {
    if (options_.whole_words_first) {
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
      const bool fused = unknown && unknown_before && options_.fuse_unknown;
      if (id >= 0 && !fused) ids.push_back(id);
      unknown_before = unknown;
    }
    merger_.merge(ids, first);
  }

 private:
  const TokenizerParts& parts_;
  BpeMerger merger_;
  ByteLevelOptions options_;
  std::array<int32_t, 256> byte_ids_{};
};

}  // namespace

std::unique_ptr<WordModel> make_byte_level_model(const TokenizerParts& parts,
                                                 const std::vector<MergeRule>& merges,
                                                 const ByteLevelOptions& options) {
  return std::make_unique<ByteLevelModel>(parts, merges, options);
}

}  // namespace ingot
