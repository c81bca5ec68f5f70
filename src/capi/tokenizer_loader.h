// A tokenizer without its model's weights.
#pragma once

#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace ingot {

// From what a user names: an engine, a .gguf file, a tokenizer.json, a file of another format
// (tokenizer.model, vocab.txt, *.tiktoken), a model directory or a hub name. Error{kNotFound,
// kUnsupported, kCorrupt, kIo} naming the file.
std::unique_ptr<const Tokenizer> open_tokenizer(const std::string& source);

}  // namespace ingot
