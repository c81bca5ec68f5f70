#include "tensor/devices/cuda_code.h"

namespace ingot {
namespace {

__global__ void probe() {}

}  // namespace

std::string_view cuda_architectures() { return INGOT_CUDA_ARCHITECTURES; }

bool has_cuda_code_for(std::string_view architecture) {
  std::string_view left = cuda_architectures();
  while (!left.empty()) {
    const size_t length = left.find(", ");
    std::string_view item = left.substr(0, length);
    left = length == std::string_view::npos ? std::string_view() : left.substr(length + 2);
    if (item.ends_with("-real")) item.remove_suffix(5);
    if (item == architecture) return true;
  }
  return false;
}

cudaError_t find_cuda_code(int* version) {
  cudaFuncAttributes made = {};
  const cudaError_t status = cudaFuncGetAttributes(&made, probe);
  *version = made.ptxVersion;
  if (status != cudaSuccess) cudaGetLastError();
  return status;
}

}  // namespace ingot
