// A mapped file that is cut while the process reads it ends the process with SIGBUS, by POSIX's
// rules for mmap. Programs say which file it was.
#pragma once

#include <cstddef>
#include <string_view>

namespace ingot {

// Mappings between note_ and forget_ are known by name to the handler. Any thread; beyond 512 at a
// time they are not noted. `path` is shown with its end alone where it is longer than 240 bytes.
void note_mapping(const void* data, size_t size, std::string_view path);
void forget_mapping(const void* data);

// From here on a SIGBUS within a noted mapping prints one line ("error: [base/mapped_file] PATH:
// ...") and ends the process with status 1; any other ends it as before. For programs: a library
// leaves its user's signals alone. Once, before other threads start.
void name_mapping_faults();

}  // namespace ingot
