// Mistral's tekken.json: byte-level BPE whose merges follow from the tokens' ranks, as tiktoken's.
// Ids begin with the special tokens; of the ordinary ones those are in use for which
// config.default_vocab_size has room.
#include "base/error.h"
#include "base/json.h"
#include "text/base64.h"
#include "text/tokenizer_formats/bpe_rules.h"
#include "text/tokenizer_formats/tokenizer_source.h"
#include "text/tokenizer_pipeline/byte_alphabet.h"
#include "text/tokenizer_pipeline/byte_level_model.h"

namespace ingot {
namespace tokenizer_tekken {

constexpr std::string_view kWhere = "text/tekken";

// Of files before version 7, which do not list theirs.
constexpr std::string_view kFirstSpecials[] = {"<unk>",
                                               "<s>",
                                               "</s>",
                                               "[INST]",
                                               "[/INST]",
                                               "[AVAILABLE_TOOLS]",
                                               "[/AVAILABLE_TOOLS]",
                                               "[TOOL_RESULTS]",
                                               "[/TOOL_RESULTS]",
                                               "[TOOL_CALLS]",
                                               "[IMG]",
                                               "<pad>",
                                               "[IMG_BREAK]",
                                               "[IMG_END]",
                                               "[PREFIX]",
                                               "[MIDDLE]",
                                               "[SUFFIX]",
                                               "[SYSTEM_PROMPT]",
                                               "[/SYSTEM_PROMPT]",
                                               "[TOOL_CONTENT]"};

inline int64_t need_count(const Json& object, const char* key, std::string_view file) {
  const auto n = json_require<int64_t>(object, key, kWhere, file);
  if (n < 1 || n > static_cast<int64_t>(kMaxVocabulary)) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: {} is {}, expected 1 to {}", file, key, n,
         kMaxVocabulary);
  }
  return n;
}

inline const Json& need_member(const Json& root, const char* key, std::string_view file) {
  const auto it = root.find(key);
  if (it == root.end()) fail(ErrorCode::kCorrupt, kWhere, "{}: '{}' is missing", file, key);
  return *it;
}

inline void read_specials(const Json& root, size_t count, TokenizerParts& parts) {
  for (size_t i = 0; i < count; ++i) {
    parts.tokens[i] = i < std::size(kFirstSpecials) ? std::string(kFirstSpecials[i])
                                                    : fmt::format("<SPECIAL_{}>", i);
    parts.kinds[i] = TokenKind::kControl;
  }
  if (const auto list = root.find("special_tokens"); list != root.end() && list->is_array()) {
    for (size_t i = 0; i < count; ++i) parts.tokens[i] = fmt::format("<SPECIAL_{}>", i);
    for (const Json& special : *list) {
      const auto rank = json_require<int64_t>(special, "rank", kWhere, parts.file);
      if (rank < 0 || rank >= static_cast<int64_t>(count)) {
        fail(ErrorCode::kCorrupt, kWhere, "{}: special token {}: expected a rank below {}",
             parts.file, rank, count);
      }
      parts.tokens[rank] = json_require<std::string>(special, "token_str", kWhere, parts.file);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    if (parts.tokens[i].empty() || parts.tokens[i].size() > kMaxAddedTokenBytes) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: special token {}: expected 1 to {} bytes, found {}",
           parts.file, i, kMaxAddedTokenBytes, parts.tokens[i].size());
    }
    AddedToken token;
    token.id = static_cast<int32_t>(i);
    token.content = parts.tokens[i];
    token.special = true;
    parts.added.push_back(std::move(token));
  }
}

inline std::unique_ptr<WordModel> read(const TokenizerSource& source, TokenizerParts& parts) {
  const Json root = parse_json(source.bytes, kWhere, source.file);
  const Json& config = need_member(root, "config", source.file);
  const auto specials =
      static_cast<size_t>(need_count(config, "default_num_special_tokens", source.file));
  const auto size = static_cast<size_t>(need_count(config, "default_vocab_size", source.file));
  const auto pattern = json_require<std::string>(config, "pattern", kWhere, source.file);
  const Json& vocab = need_member(root, "vocab", source.file);
  if (size <= specials || !vocab.is_array() || vocab.size() < size - specials) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: {} ids, {} of them special, and {} tokens", source.file,
         size, specials, vocab.size());
  }
  parts.tokens.resize(size);
  parts.kinds.assign(size, TokenKind::kNormal);
  std::vector<std::string> bytes(size);
  std::vector<uint32_t> ranks(size);
  StringIndex by_bytes(size);
  for (size_t i = 0; i < size - specials; ++i) {
    const auto text = json_require<std::string>(vocab[i], "token_bytes", kWhere, source.file);
    const auto rank = json_require<int64_t>(vocab[i], "rank", kWhere, source.file);
    const size_t id = specials + i;
    if (rank != static_cast<int64_t>(i) || !decode_base64(text, bytes[id]) || bytes[id].empty()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: token {}: expected this rank and base64, found {}, {}",
           source.file, i, rank, text);
    }
    ranks[id] = static_cast<uint32_t>(i);
    parts.tokens[id] = spell_bytes(bytes[id]);
    by_bytes.insert(bytes[id], static_cast<int32_t>(id));
  }
  const auto merges =
      find_merges(parts, bytes, ranks, [&](std::string_view text) { return by_bytes.find(text); });
  read_specials(root, specials, parts);
  parts.make_index();
  parts.byte_level = parts.decoder.byte_level = true;
  parts.pre_tokenizers.push_back(
      make_split(make_regex_pattern(pattern, source.file), SplitBehavior::kIsolated, false));
  const auto named = [&](const std::string& given, std::string_view usual) {
    return parts.find(given.empty() ? usual : std::string_view(given));
  };
  parts.bos_id = named(source.config.bos_token, "<s>");
  parts.eos_id = named(source.config.eos_token, "</s>");
  parts.pad_id = named(source.config.pad_token, "<pad>");
  parts.add_bos = true;
  return make_byte_level_model(parts, merges, {.whole_words_first = true});
}

}  // namespace tokenizer_tekken

const TokenizerDef& tekken_tokenizer();
const TokenizerDef& tekken_tokenizer() {
  static const TokenizerDef def = {.name = "tekken",
                                   .json_models = {},
                                   .vocab_models = {},
                                   .file_endings = {"tekken.json"},
                                   .folder_names = {"tekken.json"},
                                   .claims = nullptr,
                                   .read = tokenizer_tekken::read};
  return def;
}

}  // namespace ingot
