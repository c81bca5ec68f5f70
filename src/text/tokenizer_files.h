// Which files of a model's directory hold its tokenizer, where it has no tokenizer.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// The names under which tokenizers are published, by the kinds' own lists: tokenizer.model,
// spiece.model, vocab.txt, ..., and all that end in .tiktoken, .spm or Mistral's .model.v3. Other
// .model files, and names with a folder in them, do not count.
bool is_tokenizer_file(std::string_view name);

// The one of `names` to use: tokenizer.model, else the first by name. Empty when there is none.
std::string choose_tokenizer_file(const std::vector<std::string>& names);

// The same of a directory's regular files. Error{kIo} names the directory.
std::string find_tokenizer_file(const std::string& directory);

// The texts of a directory's files that say more about a tokenizer.model; empty: no such file.
struct TokenizerCompanions {
  std::string tokenizer_config, added_tokens, special_tokens_map, config, generation_config;
};

// tokenizer_config.json with what the others add, so that it tells all: where it has no
// "added_tokens_decoder", older transformers' added_tokens.json and special_tokens_map.json; the
// model's name ("name_or_path") and Baichuan's ids of the roles ("user_token_id",
// "assistant_token_id"). Its own text where they add nothing. Error{kCorrupt} naming the file.
std::string complete_tokenizer_config(const TokenizerCompanions& texts,
                                      const std::string& directory);

// The same of the files of a directory.
std::string read_tokenizer_config(const std::string& directory);

}  // namespace ingot
