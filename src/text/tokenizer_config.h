// The parts of a Hugging Face tokenizer_config.json (and chat_template.jinja) that Ingot uses.
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
  std::string tokenizer_class;
  std::string chat_template;  // the "default" one of a list; empty when absent
};

// Error{kCorrupt} names the file and the key. Token fields may be strings or AddedToken objects.
TokenizerConfig parse_tokenizer_config(std::string_view json, std::string_view file);

}  // namespace ingot
