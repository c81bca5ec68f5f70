// Files that stand where another should: what a clone without Git LFS leaves, and the page that a
// server answered with while a download saved it under the file's name.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ingot {

// What a whole file is and what helps, for messages that say what was found; empty where it is none
// of these.
std::string describe_stand_in(std::span<const std::byte> bytes);

// Error{kCorrupt} where it is one: "[where] FILE: expected EXPECTED, found a Git LFS pointer ...".
// Readers call it before they read lengths from the bytes.
void refuse_stand_in(std::span<const std::byte> bytes, std::string_view where,
                     std::string_view file, std::string_view expected);

}  // namespace ingot
