// How kernels are started: one place for the grid, the stream and the check after it.
#pragma once

#include <climits>

#include "kernels/cuda/contract/views.h"

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

// KernelDef::prepare of a kernel that needs nothing but its arguments.
template <void (*kLaunch)(const LaunchArgs&, ExecContext&)>
std::unique_ptr<KernelInstance> plain_instance(const KernelDesc&, std::string_view) {
  return make_instance(kLaunch);
}

}  // namespace ingot::cuda
