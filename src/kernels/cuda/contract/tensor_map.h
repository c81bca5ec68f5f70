// Descriptions of matrices for Hopper's tensor memory accelerator, made on the host for each launch
// and passed to the kernel by value.
#pragma once

#include "kernels/cuda/contract/views.h"
// views.h comes first: it prepares fmt.

#include <cuda.h>

namespace ingot::cuda {

// The driver's function, found through the runtime: the program starts where there is no driver.
inline auto tensor_map_encoder() {
  static const auto encode = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
    cuda_check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000,
                                                cudaEnableDefault, &result),
               "cuTensorMapEncodeTiled");
    if (result != cudaDriverEntryPointSuccess || !found) {
      fail(ErrorCode::kUnsupported, "kernels/cuda", "the driver has no cuTensorMapEncodeTiled");
    }
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
  }();
  return encode;
}

// Rows of `columns` 16-bit elements, one after the other, copied in boxes of box_rows (at most 256)
// by 64 elements, which arrive in rows of 128 bytes in the swizzle that wgmma reads. `data` at a
// multiple of 16 bytes, `columns` a multiple of 8.
inline CUtensorMap tensor_map(const void* data, DType type, int64_t rows, int64_t columns,
                              int box_rows) {
  CUtensorMap map;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(2 * columns)};
  const cuuint32_t box[] = {64, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[] = {1, 1};
  const CUresult status = tensor_map_encoder()(
      &map,
      type == DType::kBFloat16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
      2, const_cast<void*>(data), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS) {
    fail(ErrorCode::kInternal, "kernels/cuda", "cuTensorMapEncodeTiled: error {}, {} x {} elements",
         static_cast<int>(status), rows, columns);
  }
  return map;
}

}  // namespace ingot::cuda
