// A vocabulary of whole words: a word that is no token is the unknown token, or nothing.
#include "text/tokenizer_formats/tokenizer_source.h"

namespace ingot {
namespace tokenizer_wordlevel {

class WordLevel final : public WordModel {
 public:
  explicit WordLevel(const TokenizerParts& parts) : parts_(parts) {}
  void encode(std::string_view word, std::vector<int32_t>& ids) const override {
    const int32_t id = parts_.find_plain(word);
    if (id >= 0 || parts_.unk_id >= 0) ids.push_back(id >= 0 ? id : parts_.unk_id);
  }

 private:
  const TokenizerParts& parts_;
};

}  // namespace tokenizer_wordlevel

const TokenizerDef& wordlevel_tokenizer();
const TokenizerDef& wordlevel_tokenizer() {
  static const TokenizerDef def = {
      .name = "wordlevel",
      .json_models = {"WordLevel"},
      .vocab_models = {},
      .file_endings = {},
      .folder_names = {},
      .claims = nullptr,
      .read = [](const TokenizerSource&, TokenizerParts& parts) -> std::unique_ptr<WordModel> {
        return std::make_unique<tokenizer_wordlevel::WordLevel>(parts);
      }};
  return def;
}

}  // namespace ingot
