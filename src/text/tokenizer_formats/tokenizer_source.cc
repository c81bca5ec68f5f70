#include "text/tokenizer_formats/tokenizer_source.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/tokenizer_source";

bool reads(const TokenizerDef& def, const TokenizerSource& source) {
  const auto among = [](const std::vector<std::string_view>& names, auto&& matches) {
    for (const std::string_view name : names) {
      if (matches(name)) return true;
    }
    return false;
  };
  if (source.json) {
    return among(def.json_models, [&](auto name) { return name == source.json->model_type(); });
  }
  if (source.vocab) {
    return among(def.vocab_models, [&](auto name) { return name == source.vocab->model; });
  }
  return among(def.file_endings, [&](auto ending) { return source.name.ends_with(ending); });
}

const TokenizerDef& kind_of(const TokenizerSource& source) {
  const TokenizerDef* found = nullptr;
  for (const TokenizerDef* def : text_tokenizer_list()) {
    if (!reads(*def, source) || (def->claims && !def->claims(source))) continue;
    CHECK_MSG(found == nullptr, "tokenizers {} and {} both claim {}", found->name, def->name,
              source.file);
    found = def;
  }
  if (found) return *found;
  if (source.json) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: model '{}' is not supported", source.file,
         source.json->model_type());
  }
  if (source.vocab) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: vocabulary of model '{}' is not supported",
         source.file, source.vocab->model);
  }
  fail(ErrorCode::kUnsupported, kWhere, "{}: no tokenizer is read from a file named '{}'",
       source.file, source.name);
}

// BOS and EOS around every text, where the source has no template of its own.
void add_ends(std::optional<bool> bos, std::optional<bool> eos, TokenizerParts& parts) {
  if (!parts.prefix.empty() || !parts.suffix.empty()) return;
  if (bos.value_or(parts.add_bos) && parts.bos_id >= 0) parts.prefix.push_back(parts.bos_id);
  if (eos.value_or(parts.add_eos) && parts.eos_id >= 0) parts.suffix.push_back(parts.eos_id);
}

void add_token(int32_t id, bool special, TokenizerParts& parts) {
  if (parts.tokens[id].size() > kMaxAddedTokenBytes) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: added token {} has {} bytes, the most is {}",
         parts.file, id, parts.tokens[id].size(), kMaxAddedTokenBytes);
  }
  AddedToken token;
  token.id = id;
  token.content = parts.tokens[id];
  token.special = special;
  parts.added.push_back(std::move(token));
}

// What GGUF and SentencePiece call a token's type.
void read_types(const VocabSource& vocab, UserTokens user, TokenizerParts& parts) {
  for (size_t i = 0; i < vocab.types.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    switch (static_cast<VocabTokenType>(vocab.types[i])) {
      case VocabTokenType::kControl:
      case VocabTokenType::kUnknown:
        parts.kinds[i] = TokenKind::kControl;
        add_token(id, true, parts);
        break;
      case VocabTokenType::kUserDefined:
        parts.kinds[i] = TokenKind::kAdded;
        if (user == UserTokens::kMatchedInText) add_token(id, false, parts);
        break;
      case VocabTokenType::kByte:
        parts.kinds[i] = TokenKind::kByte;
        break;
      default:
        break;
    }
  }
}

}  // namespace

void read_vocab_tokens(const VocabSource& vocab, UserTokens user, TokenizerParts& parts) {
  const size_t count = vocab.tokens.size();
  const auto check_size = [&](size_t found, std::string_view what) {
    if (found == 0 || found == count) return;
    fail(ErrorCode::kCorrupt, kWhere, "{}: {} {} for {} tokens", parts.file, found, what, count);
  };
  const auto check_id = [&](int32_t id, std::string_view what) {
    if (id < -1 || id >= static_cast<int64_t>(count)) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: {} id {} is not below {}", parts.file, what, id,
           count);
    }
    return id;
  };
  if (count == 0 || count > kMaxVocabulary) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: {} tokens; 1 to {} are allowed", parts.file, count,
         kMaxVocabulary);
  }
  check_size(vocab.types.size(), "token types");
  check_size(vocab.scores.size(), "scores");
  for (size_t i = 0; i < vocab.scores.size(); ++i) {
    if (vocab.scores[i] == vocab.scores[i]) continue;
    fail(ErrorCode::kCorrupt, kWhere, "{}: score of token {} is not a number", parts.file, i);
  }
  parts.tokens = vocab.tokens;
  parts.scores.assign(vocab.scores.begin(), vocab.scores.end());
  parts.kinds.assign(count, TokenKind::kNormal);
  parts.make_index();
  read_types(vocab, user, parts);
  parts.bos_id = check_id(vocab.bos_id, "bos");
  parts.eos_id = check_id(vocab.eos_id, "eos");
  parts.unk_id = check_id(vocab.unk_id, "unk");
  parts.pad_id = check_id(vocab.pad_id, "pad");
  check_id(vocab.cls_id, "cls");
  check_id(vocab.sep_id, "sep");
}

void TokenizerParts::make_index() {
  index = StringIndex(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!tokens[id].empty()) index.insert(tokens[id], static_cast<int32_t>(id));
  }
}

std::vector<int32_t> TokenizerParts::byte_ids() const {
  std::vector<int32_t> ids(256);
  for (int byte = 0; byte < 256; ++byte) ids[byte] = find(fmt::format("<0x{:02X}>", byte));
  return ids;
}

LoadedTokenizer load_tokenizer(const TokenizerSource& source) {
  LoadedTokenizer out;
  out.parts = std::make_unique<TokenizerParts>();
  TokenizerParts& parts = *out.parts;
  parts.file = source.file;
  out.def = &kind_of(source);
  if (source.json) source.json->read_tokens(parts);
  if (source.vocab) read_vocab_tokens(*source.vocab, UserTokens::kMatchedInText, parts);
  out.model = out.def->read(source, parts);
  if (source.json) {
    source.json->read_pipeline(source.config, parts);
  } else if (source.vocab) {
    add_ends(source.vocab->add_bos, source.vocab->add_eos, parts);
  } else {
    add_ends(source.config.add_bos_token, source.config.add_eos_token, parts);
  }
  return out;
}

bool reads_tokenizer_file(std::string_view name) {
  for (const std::string_view ending : tokenizer_file_endings()) {
    if (name.ends_with(ending)) return true;
  }
  return false;
}

std::vector<std::string_view> tokenizer_file_endings() {
  std::vector<std::string_view> out;
  for (const TokenizerDef* def : text_tokenizer_list()) {
    for (const std::string_view ending : def->file_endings) {
      if (std::find(out.begin(), out.end(), ending) == out.end()) out.push_back(ending);
    }
  }
  return out;
}

}  // namespace ingot
