#include "compiler/tune_bench.h"

#include <algorithm>

#include "base/check.h"
#include "base/knobs.h"
#include "base/log.h"

namespace ingot {
namespace {

Device& activated(Device& device) {
  device.activate();
  return device;
}

}  // namespace

double lower_quartile(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 4];
}

std::string kernel_name(const KernelDef& kernel) {
  std::string name(kernel.name);
  if (kernel.library) name += fmt::format(" ({})", kernel.library_text());
  const std::string_view source = kernel_source_hash(kernel.device, kernel.name);
  if (!source.empty()) name += fmt::format(" #{}", source);
  return name;
}

TuneBench::TuneBench(const Engine& e, Device& d, TimingCache* t, double seconds, TuneReport& r)
    : engine(e),
      device(activated(d)),
      timings(t),
      report(r),
      weights(e, d, knob_int("pack_budget_mb") << 20),
      stream(d.make_stream()),
      timer(d.make_timer()),
      neighbour(d, *stream),
      budget_ms_(seconds * 1e3),
      probe_(d, 64) {}

void TuneBench::reserve(size_t workspace_bytes) {
  if (workspace_bytes <= workspace_.size()) return;
  workspace_ = Buffer();
  workspace_ = Buffer(device, workspace_bytes);
}

void TuneBench::enqueue(KernelInstance& instance, const LaunchArgs& args) {
  const size_t bytes = instance.workspace_bytes();
  CHECK_LE(bytes, workspace_.size());
  ExecContext context{device, *stream, device.team(), {workspace_.data(), bytes}, nullptr};
  instance.launch(args, context);
}

std::unique_ptr<CapturedGraph> TuneBench::capture(const std::function<void()>& work) {
  stream->synchronize();
  if (!device.begin_capture(*stream)) return nullptr;
  try {
    work();
  } catch (...) {
    try {
      device.end_capture(*stream);
    } catch (const std::exception& error) {
      spdlog::debug("an unfinished capture: {}", error.what());
    }
    throw;
  }
  std::unique_ptr<CapturedGraph> graph = device.end_capture(*stream);
  graph->replay(*stream);
  stream->synchronize();
  return graph;
}

double TuneBench::time(const std::function<void()>& work) {
  timer->start(*stream);
  work();
  timer->stop(*stream);
  return timer->microseconds();
}

void TuneBench::check_alive(const std::string& key, const std::string& what) {
  try {
    stream->synchronize();
    std::byte back{};
    device.fill_zero(probe_.data(), 1, *stream);
    device.copy_out(&back, probe_.data(), 1, *stream);
    stream->synchronize();
  } catch (const std::exception& error) {
    if (timings) timings->put(key, TimingCache::kRefused);
    throw DeviceLost(fmt::format("the device stopped working after {}: {}", what, error.what()));
  }
}

}  // namespace ingot
