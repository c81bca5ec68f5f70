#include "compiler/tune_neighbour.h"

#include <algorithm>
#include <array>

#include "kernels/reference.h"

namespace ingot {
namespace {

constexpr int64_t kColumns = 4096;
constexpr int kLaunches = 32;

}  // namespace

TuneNeighbour::TuneNeighbour(Device& device, Stream& stream) : device_(device), stream_(stream) {
  if (device.host_visible()) return;
  const OperandDesc row = {.type = DType::kBFloat16, .shape = {1, kColumns}};
  KernelDesc desc;
  desc.op = "rms_norm";
  desc.inputs = {row, {.type = DType::kBFloat16, .shape = {kColumns}, .constant = true}};
  desc.outputs = {row};
  desc.capability = device.capability();
  for (const KernelDef* kernel : kernels_for(device.kind(), desc.op)) {
    if (kernel == &reference_kernel() || !kernel->capturable) continue;
    if (kernel->supports && !kernel->supports(desc).empty()) continue;
    instance_ = kernel->prepare(desc, "");
    break;
  }
  if (!instance_) return;
  memory_ = Buffer(device, 3 * kColumns * 2);
  workspace_ = Buffer(device, std::max<size_t>(1, instance_->workspace_bytes()));
  device.fill_zero(memory_.data(), memory_.size(), stream);
  stream.synchronize();  // the memory may be gone before anybody else waits
}

void TuneNeighbour::launch() {
  if (!instance_) return;
  std::array<TensorView, 3> rows;  // x, the weight, y
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] = {DType::kBFloat16, {1, kColumns}, memory_.data() + i * kColumns * 2};
  }
  rows[1].shape = {kColumns};
  ExecContext context{
      device_, stream_, device_.team(), {workspace_.data(), workspace_.size()}, nullptr};
  instance_->launch({std::span(rows).first(2), std::span(rows).last(1), {}}, context);
}

double TuneNeighbour::microseconds(DeviceTimer& timer) {
  if (microseconds_ >= 0) return microseconds_;
  microseconds_ = 0;
  if (!instance_) return 0;
  launch();
  stream_.synchronize();
  if (!device_.begin_capture(stream_)) return 0;
  for (int i = 0; i < kLaunches; ++i) launch();
  const std::unique_ptr<CapturedGraph> graph = device_.end_capture(stream_);
  graph->replay(stream_);
  std::array<double, 5> runs;
  for (double& run : runs) {
    timer.start(stream_);
    graph->replay(stream_);
    timer.stop(stream_);
    run = timer.microseconds() / kLaunches;
  }
  std::sort(runs.begin(), runs.end());
  return microseconds_ = runs[runs.size() / 2];
}

}  // namespace ingot
