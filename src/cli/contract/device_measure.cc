#include "cli/contract/device_measure.h"

#include <algorithm>
#include <cstring>

#include "base/thread_team.h"
#include "compiler/compile.h"
#include "engine/executor.h"

namespace ingot {
namespace {

constexpr int kRounds = 7;  // the best counts: noise only ever adds
constexpr int64_t kGpuCopy = int64_t{1} << 30;
constexpr int64_t kHostCopy = int64_t{128} << 20;  // far past any cache
constexpr int64_t kChunk = int64_t{1} << 20;
constexpr double kTuneSeconds = 5;

// A host's copy is split over the team: one thread does not fill the memory channels.
void copy_all(Device& device, std::byte* dst, const std::byte* src, int64_t bytes, Stream& stream) {
  if (!device.team()) return device.copy(dst, src, static_cast<size_t>(bytes), stream);
  device.team()->parallel_for((bytes + kChunk - 1) / kChunk, 1, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kChunk;
    const int64_t last = std::min(bytes, end * kChunk);
    std::memcpy(dst + first, src + first, static_cast<size_t>(last - first));
  });
}

// Seconds of the fastest of some runs.
template <typename Work>
double best_seconds(Device& device, Stream& stream, Work work) {
  const auto timer = device.make_timer();
  work();
  stream.synchronize();
  double best = 1e30;
  for (int i = 0; i < kRounds; ++i) {
    timer->start(stream);
    work();
    timer->stop(stream);
    best = std::min(best, timer->microseconds());
  }
  return best * 1e-6;
}

void measure_copy(Device& device, DeviceRates& out) {
  out.copy_bytes = device.host_visible() ? kHostCopy : kGpuCopy;
  if (const auto free = static_cast<int64_t>(device.free_bytes()); free > 0) {
    out.copy_bytes = std::max(kChunk, std::min(out.copy_bytes, free / 16));
  }
  const auto size = static_cast<size_t>(out.copy_bytes);
  const auto stream = device.make_stream();
  Buffer from(device, size);
  Buffer to(device, size);
  device.fill_random(from.data(), DType::kFloat32, out.copy_bytes / 4, {1, 1.0f, 0}, *stream);
  const double seconds = best_seconds(
      device, *stream, [&] { copy_all(device, to.data(), from.data(), out.copy_bytes, *stream); });
  out.copy_bytes_s = 2 * static_cast<double>(out.copy_bytes) / seconds;
}

void measure_gemm(Device& device, DType dtype, DeviceRates& out) {
  const bool host = device.host_visible();
  out.rows = host ? 512 : 8192;
  out.columns = out.depth = host ? 2048 : 8192;
  out.dtype = dtype_name(dtype);
  Graph graph("gemm");
  const int x = graph.add_input("x", {dtype, {out.rows, out.depth}});
  auto data = std::make_shared<TensorData>();
  data->name = "w";
  data->type = dtype;
  data->shape = {out.columns, out.depth};
  data->random = RandomFill{1, 0.02f, 0};
  const int w = graph.add_weight("w", {{std::move(data)}, -1});
  graph.add_output(graph.emit("linear", {}, {x, w}));
  CompileOptions options;
  options.device = &device;
  options.tune_seconds = kTuneSeconds;
  Executor executor(compile(graph, options), device);
  const TensorView input = executor.input_storage("x");
  // Zeros would cost a GPU less power than numbers do.
  device.fill_random(input.data, dtype, out.rows * out.depth, {2, 1.0f, 0}, executor.stream());
  const double seconds = best_seconds(device, executor.stream(), [&] { executor.submit(false); });
  out.gemm_flops_s = 2 * static_cast<double>(out.rows) * static_cast<double>(out.columns) *
                     static_cast<double>(out.depth) / seconds;
  for (const std::string& name : executor.kernels_used()) {
    out.kernel += (out.kernel.empty() ? "" : "+") + name;
  }
}

}  // namespace

DeviceRates measure_device(Device& device, DType dtype) {
  DeviceRates out;
  measure_copy(device, out);
  measure_gemm(device, dtype, out);
  return out;
}

Json rates_json(const DeviceRates& rates) {
  return {{"copy_bytes_s", rates.copy_bytes_s}, {"copy_bytes", rates.copy_bytes},
          {"gemm_flop_s", rates.gemm_flops_s},  {"gemm", {rates.rows, rates.columns, rates.depth}},
          {"gemm_dtype", rates.dtype},          {"gemm_kernel", rates.kernel}};
}

}  // namespace ingot
