// What the programs that time one operator's kernels on a GPU share: operands of a repeated random
// pattern in bfloat16, launches in a CUDA graph that walks several sets of operands, and each
// result's difference from the first kernel's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/kernel_def.h"
#include "tensor/buffer.h"

namespace ingot {

class KernelBench {
 protected:
  // `scale`: deviation of the pattern's elements.
  explicit KernelBench(double scale)
      : device_(open_device("cuda:0")),
        stream_(device_->make_stream()),
        timer_(device_->make_timer()) {
    std::vector<uint16_t> values(kPatternBytes / 2);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto value = static_cast<float>(scale * random_normal(1, i));
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      values[i] = static_cast<uint16_t>(bits >> 16);
    }
    pattern_ = upload(values);
  }
  virtual ~KernelBench() = default;

  // Launches on one set of operands, with workspace_.
  virtual void launch(KernelInstance& instance, int set) = 0;

  template <class T>
  Buffer upload(const std::vector<T>& values) {
    Buffer out(*device_, values.size() * sizeof(T));
    device_->copy_in(out.data(), reinterpret_cast<const std::byte*>(values.data()),
                     values.size() * sizeof(T), *stream_);
    stream_->synchronize();
    return out;
  }
  Buffer patterned(int64_t bytes) {
    Buffer out(*device_, static_cast<size_t>(bytes));
    for (size_t at = 0; at < static_cast<size_t>(bytes); at += kPatternBytes) {
      const size_t size = std::min(kPatternBytes, static_cast<size_t>(bytes) - at);
      device_->copy(out.data() + at, pattern_.data(), size, *stream_);
    }
    return out;
  }

  struct Timed {
    double us;          // of a launch, the median over replays
    double difference;  // largest, from the first kernel's output, in units of its rms
  };
  // `first`: the first kernel's output, in out_; filled where it is empty.
  Timed time(const KernelDef& kernel, const std::string& tactic, int sets,
             std::vector<uint16_t>* first) {
    const auto instance = kernel.prepare(desc_, tactic);
    if (instance->workspace_bytes() > workspace_.size()) {
      workspace_ = Buffer();
      workspace_ = Buffer(*device_, instance->workspace_bytes());
    }
    device_->fill_zero(out_.data(), out_.size(), *stream_);
    launch(*instance, 0);
    const double difference = compare(first);
    device_->begin_capture(*stream_);
    for (int set = 0; set < sets; ++set) launch(*instance, set);
    const auto graph = device_->end_capture(*stream_);
    graph->replay(*stream_);
    std::vector<double> samples(kReplays);
    for (double& sample : samples) {
      timer_->start(*stream_);
      graph->replay(*stream_);
      timer_->stop(*stream_);
      sample = timer_->microseconds();
    }
    std::sort(samples.begin(), samples.end());
    return {samples[samples.size() / 2] / sets, difference};
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  Buffer out_, workspace_;  // out_: bfloat16
  KernelDesc desc_;

 private:
  static constexpr size_t kPatternBytes = size_t{16} << 20;
  static constexpr int kReplays = 10;

  static double widened(uint16_t bits) {
    const uint32_t word = uint32_t{bits} << 16;
    float out;
    std::memcpy(&out, &word, 4);
    return static_cast<double>(out);
  }
  double compare(std::vector<uint16_t>* first) {
    std::vector<uint16_t> got(out_.size() / 2);
    device_->copy_out(reinterpret_cast<std::byte*>(got.data()), out_.data(), out_.size(), *stream_);
    stream_->synchronize();
    if (first->empty()) *first = got;
    double squares = 0;
    double most = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      const double wanted = widened((*first)[i]);
      const double difference = std::fabs(widened(got[i]) - wanted);
      most = std::isnan(difference) ? INFINITY : std::max(most, difference);
      squares += wanted * wanted;
    }
    return most / std::sqrt(squares / static_cast<double>(got.size()));
  }

  std::unique_ptr<DeviceTimer> timer_;
  Buffer pattern_;
};

}  // namespace ingot
