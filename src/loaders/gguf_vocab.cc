// Vocabulary metadata of GGUF files.
#include "base/error.h"
#include "loaders/model_source.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/gguf";
constexpr std::string_view kPrefix = "tokenizer.ggml.";

std::string full_key(std::string_view key) { return fmt::format("{}{}", kPrefix, key); }

// -1 when absent or marked as none (all bits set).
int32_t read_id(const GgufFile& file, std::string_view key, size_t vocab) {
  const int64_t id = file.get_int(full_key(key), -1);
  if (id == -1 || id == static_cast<int64_t>(UINT32_MAX)) return -1;
  if (id < 0 || id >= static_cast<int64_t>(vocab)) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected an id below {}, found {}", file.origin(),
         full_key(key), vocab, id);
  }
  return static_cast<int32_t>(id);
}

std::optional<bool> read_flag(const GgufFile& file, std::string_view key) {
  if (!file.has(full_key(key))) return std::nullopt;
  return file.require_bool(full_key(key));
}

std::vector<std::string> read_texts(const GgufFile& file, std::string_view key) {
  const auto views = file.require_strings(full_key(key));
  return {views.begin(), views.end()};
}

void check_length(const GgufFile& file, std::string_view key, size_t found, size_t expected) {
  if (found != expected) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected {} entries, one a token, found {}",
         file.origin(), full_key(key), expected, found);
  }
}

}  // namespace

VocabSource read_gguf_vocab(const GgufFile& file) {
  VocabSource vocab;
  vocab.model = file.require_string(full_key("model"));
  vocab.pre = file.get_string(full_key("pre"), vocab.pre);
  vocab.tokens = read_texts(file, "tokens");
  const size_t count = vocab.tokens.size();
  if (file.has(full_key("scores"))) {
    vocab.scores = file.require_floats(full_key("scores"));
    check_length(file, "scores", vocab.scores.size(), count);
  }
  if (file.has(full_key("token_type"))) {
    for (int64_t type : file.require_ints(full_key("token_type"))) {
      if (type < 0 || type > 6) {
        fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected 0 to 6, found {}", file.origin(),
             full_key("token_type"), type);
      }
      vocab.types.push_back(static_cast<uint8_t>(type));
    }
    check_length(file, "token_type", vocab.types.size(), count);
  }
  if (file.has(full_key("merges"))) vocab.merges = read_texts(file, "merges");
  vocab.bos_id = read_id(file, "bos_token_id", count);
  vocab.eos_id = read_id(file, "eos_token_id", count);
  vocab.unk_id = read_id(file, "unknown_token_id", count);
  vocab.pad_id = read_id(file, "padding_token_id", count);
  vocab.eot_id = read_id(file, "eot_token_id", count);
  vocab.cls_id = read_id(file, "cls_token_id", count);
  vocab.sep_id = read_id(file, "seperator_token_id", count);  // so spelled in the format
  vocab.add_bos = read_flag(file, "add_bos_token");
  vocab.add_eos = read_flag(file, "add_eos_token");
  vocab.add_space_prefix = read_flag(file, "add_space_prefix");
  vocab.remove_extra_spaces = read_flag(file, "remove_extra_whitespaces");
  if (file.has(full_key("precompiled_charsmap"))) {
    for (const int64_t byte : file.require_ints(full_key("precompiled_charsmap"))) {
      vocab.charsmap += static_cast<char>(byte & 0xFF);
    }
  }
  return vocab;
}

}  // namespace ingot
