#pragma once

#include <string>
#include <string_view>

namespace ingot {

// With + and /, padded with =.
std::string encode_base64(std::string_view bytes);

// Decodes the alphabet with + and /, padded with = to whole groups of four or not padded at all.
// False when `text` is something else.
bool decode_base64(std::string_view text, std::string& bytes);

}  // namespace ingot
