// NumPy .npy files (format versions 1 to 3, row-major) and raw .bin files: tensors in and out.
#pragma once

#include <string>
#include <vector>

#include "tensor/tensor_view.h"

namespace ingot {

// A tensor that owns its bytes on the host.
struct HostTensor {
  ElementType type;
  Shape shape;
  std::vector<std::byte> bytes;
  HostTensor() = default;
  HostTensor(ElementType t, Shape s);  // zeros
  TensorView view() const;             // borrows bytes
};

// Error{kCorrupt} naming the file, the place, what was expected and found.
HostTensor read_npy(const std::string& path);
// Whole or not at all. bfloat16, which .npy lacks, is written as float32.
void write_npy(const std::string& path, const TensorView& view);

}  // namespace ingot
