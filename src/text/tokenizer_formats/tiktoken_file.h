// tiktoken's vocabulary files: a token in base64, a space and its rank on each line. Internal to
// text/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// Whether a file with an ambiguous name (tokenizer.model) is one of these.
bool is_tiktoken_text(std::string_view bytes);

// Tokens by rank, as bytes; empty for ranks that no line has. Error{kCorrupt} gives the line.
std::vector<std::string> read_tiktoken_file(std::string_view bytes, std::string_view file);

}  // namespace ingot
