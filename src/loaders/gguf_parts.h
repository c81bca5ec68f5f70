// Names of the files of a GGUF model in several files, as llama.cpp's gguf-split writes them:
// NAME-00001-of-00003.gguf, with split.no (from 0), split.count and split.tensors.count.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ingot {

// All names, in order, from that of the first; `count` is what the file says of itself.
// Error{kUnsupported} where the name is not that of the first of `count`.
std::vector<std::string> gguf_part_names(const std::string& first, int64_t count);

// Whether these names, sorted, are those of one model's files.
bool are_gguf_parts(const std::vector<std::string>& names);

}  // namespace ingot
