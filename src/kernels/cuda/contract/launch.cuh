// How kernels are started: one place for the grid, the stream and the check after it.
#pragma once

#include <climits>

#include "kernels/cuda/contract/views.h"
#include "tensor/devices/cuda_code.h"
// views.h comes first: it prepares fmt.

#include <cuda_runtime.h>

namespace ingot::cuda {

struct Grid {
  int64_t x;  // blocks
  int64_t y;
  int threads;  // a block
};

// kernel(args...) on the context's stream; nothing where the grid is empty. `name` is the
// KernelDef's, for errors.
template <class... Params, class... Args>
void launch_grid(std::string_view name, ExecContext& context, void (*kernel)(Params...),
                 const Grid& grid, const Args&... args) {
  if (grid.x == 0 || grid.y == 0) return;
  CHECK_LE(grid.x, int64_t{INT_MAX});
  CHECK_LE(grid.y, 65535);
  const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y));
  kernel<<<blocks, grid.threads, 0, cuda_stream(context.stream)>>>(args...);
  check_launch(name);
}

struct EarlyGrid {
  dim3 blocks, threads;
  size_t shared = 0;  // bytes of dynamic shared memory
  int cluster = 1;    // blocks of a cluster, along x
};

// kernel(args...) on the context's stream, for a kernel that keeps the rules of
// arch/early_start.cuh: it may begin before those ahead of it have ended. A plain launch where the
// program has no code for Hopper or later.
template <class... Params, class... Args>
void launch_early_grid(std::string_view name, ExecContext& context, void (*kernel)(Params...),
                       const EarlyGrid& grid, const Args&... args) {
  cudaLaunchAttribute attributes[2] = {};
  unsigned count = 0;
  if (cuda_code_version(context.device.capability()) >= 90) {
    attributes[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[count++].val.programmaticStreamSerializationAllowed = 1;
  }
  if (grid.cluster > 1) {
    attributes[count].id = cudaLaunchAttributeClusterDimension;
    attributes[count].val.clusterDim.x = static_cast<unsigned>(grid.cluster);
    attributes[count].val.clusterDim.y = attributes[count].val.clusterDim.z = 1;
    ++count;
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = grid.blocks;
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = grid.shared;
  config.stream = cuda_stream(context.stream);
  config.attrs = attributes;
  config.numAttrs = count;
  cuda_check(cudaLaunchKernelEx(&config, kernel, Params(args)...), name);
}

// The same for a grid of up to two dimensions; nothing where it is empty. `shared`: bytes of
// dynamic shared memory.
template <class... Params, class... Args>
void launch_early(std::string_view name, ExecContext& context, void (*kernel)(Params...),
                  const Grid& grid, size_t shared, const Args&... args) {
  if (grid.x == 0 || grid.y == 0) return;
  CHECK_LE(grid.x, int64_t{INT_MAX});
  CHECK_LE(grid.y, 65535);
  launch_early_grid(name, context, kernel,
                    {.blocks = dim3(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y)),
                     .threads = dim3(static_cast<unsigned>(grid.threads)),
                     .shared = shared},
                    args...);
}

// Of the current device.
inline int multiprocessors() {
  int device = 0;
  int count = 0;
  cuda_check(cudaGetDevice(&device), "cudaGetDevice");
  cuda_check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device),
             "cudaDeviceGetAttribute");
  return count;
}

// Before a kernel's first launch with more than 48 KiB of dynamic shared memory.
template <class... Params>
void allow_shared(std::string_view name, void (*kernel)(Params...), int bytes) {
  cuda_check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
             name);
}

// KernelDef::prepare of a kernel that needs nothing but its arguments.
template <void (*kLaunch)(const LaunchArgs&, ExecContext&)>
std::unique_ptr<KernelInstance> plain_instance(const KernelDesc&, std::string_view) {
  return make_instance(kLaunch);
}

}  // namespace ingot::cuda
