// Files and folders under construction: TARGET.tmp-<pid>-<n> beside their target, which neither a
// signal that ends the process nor a process that was killed leaves lying about for good.
#pragma once

#include <string>

namespace ingot {

// A new, empty file or folder that nobody else has, locked (flock) while its descriptor is open.
struct TemporaryEntry {
  std::string path;
  int fd = -1;  // open for writing (a folder: for reading); the caller closes it
};

// Removes what dead processes left of the same target, then makes one. Error{kIo} naming the path.
TemporaryEntry create_temporary(const std::string& target, bool folder);
// It was renamed or removed: signals no longer remove it.
void forget_temporary(const std::string& path);
// SIGINT, SIGTERM and SIGHUP, where they end the process, remove all temporary entries first.
// SIGXFSZ is ignored, so that a file over the size limit is an error of its write. Call once, at
// the start of a program; a library leaves signals alone.
void remove_temporaries_on_signals();

}  // namespace ingot
