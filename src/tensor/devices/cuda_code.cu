#include "tensor/devices/cuda_code.h"

namespace ingot {
namespace {

__global__ void probe() {}

}  // namespace

std::string_view cuda_architectures() { return INGOT_CUDA_ARCHITECTURES; }

cudaError_t find_cuda_code() {
  cudaFuncAttributes made = {};
  const cudaError_t status = cudaFuncGetAttributes(&made, probe);
  if (status != cudaSuccess) cudaGetLastError();
  return status;
}

}  // namespace ingot
