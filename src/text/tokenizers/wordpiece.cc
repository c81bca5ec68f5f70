// WordPiece (BERT): from the front of a word the longest token, again and again; a word that cannot
// be spelled so is one unknown token.
#include <algorithm>

#include "base/error.h"
#include "text/tokenizer_formats/tokenizer_source.h"
#include "text/tokenizer_pipeline/bert_text.h"
#include "text/tokenizer_pipeline/byte_trie.h"
#include "text/tokenizer_pipeline/wordpiece_decoder.h"
#include "text/utf8.h"

namespace ingot {
namespace tokenizer_wordpiece {

constexpr std::string_view kName = "text/wordpiece";
constexpr std::string_view kInside = "##";  // in front of tokens inside of a word
constexpr std::string_view kMarker = "\xE2\x96\x81";
constexpr int64_t kMaxCharsPerWord = 100;

class WordPiece final : public WordModel {
 public:
  WordPiece(const TokenizerParts& parts, int64_t max_chars) : parts_(parts), max_(max_chars) {}

  // `text`: as it stands in a word.
  void add(int32_t id, std::string_view text, bool inside) {
    if (text.empty()) return;
    if (text.size() > kMaxAddedTokenBytes) {
      fail(ErrorCode::kUnsupported, kName, "{}: token {} has {} bytes, the most is {}", parts_.file,
           id, text.size(), kMaxAddedTokenBytes);
    }
    (inside ? inside_ : front_).insert(text, id);
  }

  void encode(std::string_view word, std::vector<int32_t>& ids) const override {
    const size_t first = ids.size();
    int64_t chars = 0;
    for (const char c : word) chars += (c & 0xC0) != 0x80;
    size_t i = chars > max_ ? word.size() + 1 : 0;
    while (i < word.size()) {
      const ByteTrie::Match match = (i == 0 ? front_ : inside_).longest(word, i);
      if (match.value < 0) break;
      ids.push_back(match.value);
      i += match.length;
    }
    if (i == word.size()) return;
    ids.resize(first);
    if (parts_.unk_id < 0) {
      fail(ErrorCode::kInvalidArgument, kName,
           "{}: expected tokens for a word of {} bytes or an unknown token, found neither",
           parts_.file, word.size());
    }
    ids.push_back(parts_.unk_id);
  }

 private:
  const TokenizerParts& parts_;
  int64_t max_;
  ByteTrie front_, inside_;  // tokens that begin a word, and those that go on in one
};

// Tokens whose spelling has `prefix` inside of words and nothing at the front.
inline std::unique_ptr<WordPiece> make_prefixed(const TokenizerParts& parts,
                                                std::string_view prefix, int64_t max_chars) {
  auto model = std::make_unique<WordPiece>(parts, max_chars);
  for (size_t i = 0; i < parts.tokens.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const std::string_view token = parts.tokens[i];
    if (!parts.is_plain(id)) continue;
    model->add(id, token, false);
    if (token.starts_with(prefix)) model->add(id, token.substr(prefix.size()), true);
  }
  return model;
}

inline std::unique_ptr<WordModel> read_json(const TokenizerJson& json, TokenizerParts& parts) {
  const int64_t most = json.number("max_input_chars_per_word").value_or(kMaxCharsPerWord);
  simdjson::dom::element given;
  const bool has_prefix = json.model()["continuing_subword_prefix"].get(given) == simdjson::SUCCESS;
  if (parts.unk_id < 0) parts.unk_id = parts.find("[UNK]");
  const std::string prefix =
      has_prefix ? json.text("continuing_subword_prefix") : std::string(kInside);
  return make_prefixed(parts, prefix, most);
}

inline void add_pipeline(const BertRules& rules, TokenizerParts& parts) {
  add_bert_normalizers(rules, parts.normalizers);
  add_bert_pre_tokenizers(parts.pre_tokenizers);
}

inline void add_ends(int32_t cls, int32_t sep, TokenizerParts& parts) {
  if (cls >= 0) parts.prefix.push_back(cls);
  if (sep >= 0) parts.suffix.push_back(sep);
}

// GGUF spells tokens that begin a word with a marker and those inside of it without "##"; whether
// case counts is not said, so a vocabulary with capital letters tells.
inline std::unique_ptr<WordModel> read_vocab(const VocabSource& vocab, TokenizerParts& parts) {
  auto model = std::make_unique<WordPiece>(parts, kMaxCharsPerWord);
  bool cased = false;
  for (size_t i = 0; i < parts.tokens.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const std::string_view token = parts.tokens[i];
    const bool special = token.starts_with('[') && token.ends_with(']') && token.size() > 2;
    if (!parts.is_plain(id) || special) continue;
    const bool front = token.starts_with(kMarker);
    model->add(id, front ? token.substr(kMarker.size()) : token, !front);
    cased = cased ||
            std::any_of(token.begin(), token.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  }
  const auto named = [&](int32_t id, const char* token) {
    return id >= 0 ? id : parts.find(token);
  };
  add_pipeline({.strip_accents = !cased, .lowercase = !cased}, parts);
  parts.unk_id = named(parts.unk_id, "[UNK]");
  add_ends(named(vocab.cls_id, "[CLS]"), named(vocab.sep_id, "[SEP]"), parts);
  parts.decoder.add_replacement(std::string(kMarker), " ");
  parts.decoder.drop_spaces = 1;
  return model;
}

// vocab.txt: a token a line, its number the id; the rest is what BERT's own code does.
inline std::unique_ptr<WordModel> read_lines(const TokenizerSource& source, TokenizerParts& parts) {
  VocabSource vocab;
  for (std::string_view rest = source.bytes; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const size_t bad = validate_utf8(line);
    if (bad != kUtf8Valid) {
      fail(ErrorCode::kCorrupt, kName, "{}: line {}: expected UTF-8, found another byte at {}",
           parts.file, vocab.tokens.size() + 1, bad);
    }
    vocab.tokens.emplace_back(line);
    const bool special = line == "[PAD]" || line == "[UNK]" || line == "[CLS]" || line == "[SEP]" ||
                         line == "[MASK]";
    vocab.types.push_back(
        static_cast<uint8_t>(special ? VocabTokenType::kControl : VocabTokenType::kNormal));
  }
  read_vocab_tokens(vocab, UserTokens::kMatchedInText, parts);
  const TokenizerConfig& config = source.config;
  const auto named = [&](const std::string& given, const char* usual) {
    return parts.find(given.empty() ? usual : given);
  };
  parts.unk_id = named(config.unk_token, "[UNK]");
  parts.pad_id = named(config.pad_token, "[PAD]");
  const bool lower = config.do_lower_case.value_or(true);
  add_pipeline({.space_chinese = config.tokenize_chinese_chars.value_or(true),
                .strip_accents = config.strip_accents.value_or(lower),
                .lowercase = lower},
               parts);
  add_ends(named(config.cls_token, "[CLS]"), named(config.sep_token, "[SEP]"), parts);
  parts.decoder.steps.push_back(make_wordpiece_decoder(std::string(kInside), true));
  return make_prefixed(parts, kInside, kMaxCharsPerWord);
}

inline std::unique_ptr<WordModel> read(const TokenizerSource& source, TokenizerParts& parts) {
  if (source.json) return read_json(*source.json, parts);
  return source.vocab ? read_vocab(*source.vocab, parts) : read_lines(source, parts);
}

}  // namespace tokenizer_wordpiece

const TokenizerDef& wordpiece_tokenizer();
const TokenizerDef& wordpiece_tokenizer() {
  static const TokenizerDef def = {.name = "wordpiece",
                                   .json_models = {"WordPiece"},
                                   .vocab_models = {"bert"},
                                   .file_endings = {"vocab.txt"},
                                   .folder_names = {"vocab.txt"},
                                   .claims = nullptr,
                                   .read = tokenizer_wordpiece::read};
  return def;
}

}  // namespace ingot
