// Which files of a model's directory hold its tokenizer, where it has no tokenizer.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// The names under which tokenizers are published: tokenizer.model, spiece.model, vocab.txt, ...,
// and all that end in .tiktoken, .spm or Mistral's .model.v3. Other .model files, and names with a
// folder in them, do not count. Which of these can be read is for text/ to say.
bool is_tokenizer_file(std::string_view name);

// The one of `names` to use: tokenizer.model, else the first by name. Empty when there is none.
std::string choose_tokenizer_file(const std::vector<std::string>& names);

// The same of a directory's regular files. Error{kIo} names the directory.
std::string find_tokenizer_file(const std::string& directory);

}  // namespace ingot
