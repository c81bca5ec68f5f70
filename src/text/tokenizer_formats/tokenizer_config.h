// What the tokenizer needs of a Hugging Face tokenizer_config.json (its chat template:
// loaders/hf_config.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// An entry of "added_tokens_decoder", or a token that another key names (its id is not known).
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
  // "bos_token" and the like, then "additional_special_tokens", in transformers' order.
  std::vector<ConfigToken> special_tokens;
  std::string name_or_path;
  std::optional<bool> legacy;            // of Llama's class
  std::optional<bool> add_prefix_space;  // of Llama's class
  int32_t extra_ids = 100;               // of T5's class
  int32_t user_token_id = -1;            // of Baichuan's chats
  int32_t assistant_token_id = -1;
  std::optional<bool> do_lower_case;
  std::optional<bool> tokenize_chinese_chars;
  std::optional<bool> strip_accents;
  std::string json;  // the text that this was parsed from
};

// Error{kCorrupt} names the file and the key. Token fields may be strings or AddedToken objects.
TokenizerConfig parse_tokenizer_config(std::string_view json, std::string_view file);

}  // namespace ingot
