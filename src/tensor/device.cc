#include "tensor/device.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "tensor/random_fill.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "tensor/device";
constexpr size_t kStagingBytes = size_t{16} << 20;

// "cuda:1" as the kind's definition and 1.
std::pair<const DeviceDef*, int> parse_device(std::string_view name) {
  const size_t colon = name.find(':');
  const std::string_view kind = name.substr(0, colon);
  int index = 0;
  if (colon != std::string_view::npos) {
    const std::string_view digits = name.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (error != std::errc() || end != digits.data() + digits.size() || index < 0) {
      fail(ErrorCode::kInvalidArgument, kWhere,
           "device '{}': expected a number from 0 to {} after ':', found '{}'", name, INT_MAX,
           digits);
    }
  }
  std::string kinds;
  for (const DeviceDef* def : tensor_device_list()) {
    if (def->kind == kind) return {def, index};
    kinds += (kinds.empty() ? "" : ", ") + std::string(def->kind);
  }
  fail(ErrorCode::kUnsupported, kWhere, "device '{}': this build has {}", name, kinds);
}

// The whole stream stands for the place in it.
class StreamEvent final : public Event {
 public:
  void record(Stream& stream) override { stream_ = &stream; }
  void synchronize() override {
    if (stream_) stream_->synchronize();
    stream_ = nullptr;
  }

 private:
  Stream* stream_ = nullptr;  // borrowed since record()
};

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

std::byte* Device::allocate_host(size_t size) {
  constexpr size_t kAlignment = 64;
  void* data = std::aligned_alloc(kAlignment, (size + kAlignment - 1) / kAlignment * kAlignment);
  if (!data) fail(ErrorCode::kOutOfMemory, kWhere, "allocating {} bytes failed", size);
  return static_cast<std::byte*>(data);
}

void Device::release_host(std::byte* data, size_t) noexcept { std::free(data); }

std::unique_ptr<Event> Device::make_event() { return std::make_unique<StreamEvent>(); }
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

void Device::fill_random(std::byte* dst, DType type, int64_t count, const RandomFill& fill,
                         Stream& stream) {
  if (host_visible()) return fill_random_host(dst, type, 0, count, fill, team());
  const auto size = static_cast<int64_t>(dtype_size(type));
  const auto most = std::min<int64_t>(count, static_cast<int64_t>(kStagingBytes) / size);
  std::vector<std::byte> staging(static_cast<size_t>(most * size));
  for (int64_t at = 0; at < count; at += most) {
    const int64_t n = std::min(most, count - at);
    fill_random_host(staging.data(), type, at, n, fill, nullptr);
    copy_in(dst + at * size, staging.data(), static_cast<size_t>(n * size), stream);
  }
}

std::unique_ptr<Device> open_device(std::string_view name) {
  const auto [def, index] = parse_device(name);
  return def->open(index);
}

DeviceInfo describe_device(std::string_view name) {
  const auto [def, index] = parse_device(name);
  const std::string numbered = fmt::format("{}:{}", def->kind, index);
  for (DeviceInfo& info : def->list()) {
    if (info.name == numbered || (index == 0 && info.name == def->kind)) return std::move(info);
  }
  fail(ErrorCode::kNotFound, kWhere, "device '{}': this machine has none of that name", name);
}

}  // namespace ingot
