// The known name that a mistyped one was meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// The name with the fewest changed, missing, added and swapped letters; empty when more than a
// third of the letters differ. Of equals the first.
std::string nearest_name(std::string_view given, const std::vector<std::string>& names);

// ", did you mean 'x'?" for messages; empty where nothing is near.
std::string did_you_mean(std::string_view given, const std::vector<std::string>& names);

}  // namespace ingot
