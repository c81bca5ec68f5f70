// What the tokenizer needs of a Hugging Face tokenizer_config.json (its chat template:
// loaders/hf_config.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ingot {

struct TokenizerConfig {
  std::string bos_token;  // empty when absent
  std::string eos_token;
  std::string unk_token;
  std::string pad_token;
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
};

// Error{kCorrupt} names the file and the key. Token fields may be strings or AddedToken objects.
TokenizerConfig parse_tokenizer_config(std::string_view json, std::string_view file);

}  // namespace ingot
