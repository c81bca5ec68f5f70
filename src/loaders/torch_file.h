// Weights that PyTorch saved (pytorch_model.bin): a ZIP archive of a pickle and the tensors' bytes.
// The pickle is read as data (loaders/pickle.h): tensors and containers are known, anything else
// that it asks for is refused by name.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "loaders/weight_source.h"

namespace ingot {

// The tensors of a dictionary, of its entry "state_dict" where it has one; entries of other kinds
// are left out. Tensors whose elements do not follow each other are copied. Immutable and thread
// safe. Error{kCorrupt, kUnsupported} naming file, place, expected and found: compressed archives,
// files of before PyTorch 1.6, big-endian ones, types that Ingot has none for.
std::shared_ptr<const WeightTable> open_torch_file(const std::string& path);
// The same from memory that the caller keeps alive; `name` stands for the path in messages.
std::shared_ptr<const WeightTable> parse_torch_file(std::span<const std::byte> bytes,
                                                    const std::string& name);

}  // namespace ingot
