// ZIP archives whose files are stored as they are: views into the archive's bytes.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot {

// File names to their bytes. ZIP64 is read. `where` and `file` open messages. Error{kCorrupt}
// naming place, expected and found, for files that overlap the end or are named twice; kUnsupported
// for compressed and encrypted ones.
//
// Format: PKWARE, .ZIP File Format Specification 6.3, sections 4.3 and 4.5.
std::map<std::string, std::span<const std::byte>, std::less<>> read_stored_zip(
    std::span<const std::byte> bytes, std::string_view where, std::string_view file);

}  // namespace ingot
