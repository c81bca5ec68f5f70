// A CPU whose timers read a clock that kernels move: what each of them costs is what its test
// says, whatever the machine does meanwhile.
#pragma once

#include "tensor/device.h"

namespace ingot {

class VirtualTimeCpu : public Device {
 public:
  // Called by kernels: their launch takes so long.
  static void spend(double microseconds) { now_ += microseconds; }

  std::string_view kind() const override { return cpu_->kind(); }
  std::string identity() const override { return cpu_->identity(); }
  std::byte* allocate(size_t size) override { return cpu_->allocate(size); }
  void release(std::byte* data, size_t size) noexcept override { cpu_->release(data, size); }
  void copy_in(std::byte* dst, const std::byte* src, size_t size, Stream& stream) override {
    cpu_->copy_in(dst, src, size, stream);
  }
  void copy_out(std::byte* dst, const std::byte* src, size_t size, Stream& stream) override {
    cpu_->copy_out(dst, src, size, stream);
  }
  std::unique_ptr<Stream> make_stream() override { return cpu_->make_stream(); }
  bool host_visible() const override { return true; }
  ThreadTeam* team() override { return cpu_->team(); }
  std::unique_ptr<DeviceTimer> make_timer() override { return std::make_unique<Timer>(); }

 private:
  struct Timer final : DeviceTimer {
    void start(Stream&) override { begin = now_; }
    void stop(Stream&) override { end = now_; }
    double microseconds() override { return 1 + end - begin; }  // no launch is free
    double begin = 0, end = 0;
  };
  static inline double now_ = 0;
  std::unique_ptr<Device> cpu_ = make_cpu_device(1);
};

}  // namespace ingot
