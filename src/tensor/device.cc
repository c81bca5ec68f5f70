#include "tensor/device.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "tensor/device";
constexpr size_t kStagingBytes = size_t{16} << 20;

class HostTimer final : public DeviceTimer {
 public:
  void start(Stream& stream) override {
    stream.synchronize();
    watch_.restart();
  }
  void stop(Stream& stream) override {
    stream.synchronize();
    microseconds_ = watch_.ms() * 1e3;
  }
  double microseconds() override { return microseconds_; }

 private:
  Stopwatch watch_;
  double microseconds_ = 0;
};

}  // namespace

std::unique_ptr<DeviceTimer> Device::make_timer() { return std::make_unique<HostTimer>(); }

void Device::copy(std::byte* dst, const std::byte* src, size_t size, Stream& stream) {
  if (host_visible()) {
    std::memcpy(dst, src, size);
    return;
  }
  std::vector<std::byte> staging(std::min(size, kStagingBytes));
  for (size_t at = 0; at < size; at += staging.size()) {
    const size_t count = std::min(staging.size(), size - at);
    copy_out(staging.data(), src + at, count, stream);
    stream.synchronize();
    copy_in(dst + at, staging.data(), count, stream);
  }
}

void Device::fill_zero(std::byte* dst, size_t size, Stream& stream) {
  if (host_visible()) {
    std::memset(dst, 0, size);
    return;
  }
  const std::vector<std::byte> zeros(std::min(size, kStagingBytes));
  for (size_t at = 0; at < size; at += zeros.size()) {
    copy_in(dst + at, zeros.data(), std::min(zeros.size(), size - at), stream);
  }
}

std::unique_ptr<Device> open_device(std::string_view name) {
  const size_t colon = name.find(':');
  const std::string_view kind = name.substr(0, colon);
  int index = 0;
  if (colon != std::string_view::npos) {
    const std::string_view digits = name.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (error != std::errc() || end != digits.data() + digits.size() || index < 0) {
      fail(ErrorCode::kInvalidArgument, kWhere,
           "device '{}': expected a number after ':', found '{}'", name, digits);
    }
  }
  std::string kinds;
  for (const DeviceDef* def : tensor_device_list()) {
    if (def->kind == kind) return def->open(index);
    kinds += (kinds.empty() ? "" : ", ") + std::string(def->kind);
  }
  fail(ErrorCode::kUnsupported, kWhere, "device '{}': this build has {}", name, kinds);
}

}  // namespace ingot
