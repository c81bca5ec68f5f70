// What the tokenizer needs of a Hugging Face tokenizer_config.json (its chat template:
// loaders/hf_config.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// An entry of "added_tokens_decoder".
struct ConfigToken {
  int32_t id = -1;
  std::string content;
  bool single_word = false, lstrip = false, rstrip = false, normalized = false, special = false;
};

struct TokenizerConfig {
  std::string bos_token;  // empty when absent
  std::string eos_token;
  std::string unk_token;
  std::string pad_token;
  std::string cls_token;
  std::string sep_token;
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  // What matters to files that do not describe their tokenizer by themselves.
  std::string tokenizer_class;
  std::vector<ConfigToken> added_tokens;
  std::optional<bool> do_lower_case;
  std::optional<bool> tokenize_chinese_chars;
  std::optional<bool> strip_accents;
  std::string json;  // the text that this was parsed from
};

// Error{kCorrupt} names the file and the key. Token fields may be strings or AddedToken objects.
TokenizerConfig parse_tokenizer_config(std::string_view json, std::string_view file);

}  // namespace ingot
