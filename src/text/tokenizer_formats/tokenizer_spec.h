// The stored form of a tokenizer. Internal to text/; users see make_tokenizer_spec().
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "text/tokenizer_formats/tokenizer_source.h"

namespace ingot {

// A spec, or the bytes of a tokenizer.json.
LoadedTokenizer tokenizer_from_spec(std::span<const std::byte> bytes, std::string_view file);

}  // namespace ingot
