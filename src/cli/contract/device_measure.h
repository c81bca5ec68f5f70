// How fast a device moves and multiplies: what shares of a roof are measured against.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "tensor/device.h"

namespace ingot {

struct DeviceRates {
  double copy_bytes_s = 0;  // bytes read and bytes written, of one large copy
  double gemm_flops_s = 0;  // of one large `linear`, by the fastest kernel the tuner finds
  int64_t copy_bytes = 0;   // of the copy
  int64_t rows = 0, columns = 0, depth = 0;  // of the product
  std::string dtype;
  std::string kernel;
};

// Takes a second or so, and memory for two large buffers (an eighth of what is free at most).
DeviceRates measure_device(Device& device, DType dtype = DType::kBFloat16);
Json rates_json(const DeviceRates& rates);

}  // namespace ingot
