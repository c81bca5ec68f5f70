// Percent-encoding of URIs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ingot {

// "%41" undone; a '+' stays. nullopt: a '%' without two hexadecimal digits behind it.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace ingot
