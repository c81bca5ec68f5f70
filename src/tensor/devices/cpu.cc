#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "base/thread_team.h"
#include "tensor/cpu_isa.h"
#include "tensor/device.h"

namespace ingot {
namespace device_cpu {

constexpr size_t kAlignment = 64;              // one cache line, one zmm register
constexpr size_t kHugePage = size_t{2} << 20;  // from here on ask for transparent huge pages

// What the kernel says can be had without swapping, caches that it would give up included; free
// pages alone where it does not say.
uint64_t available_memory() {
  std::ifstream lines("/proc/meminfo");
  std::string word;
  while (lines >> word) {
    uint64_t kilobytes = 0;
    if (word == "MemAvailable:" && lines >> kilobytes) return kilobytes * 1024;
  }
  return static_cast<uint64_t>(::sysconf(_SC_AVPHYS_PAGES)) *
         static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

class CpuStream final : public Stream {
 public:
  void synchronize() override {}
};

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(int threads) : team_(threads) {}

  std::string_view kind() const override { return "cpu"; }
  std::string identity() const override {
    return fmt::format("cpu:{}:{}:threads={}", cpu_model_name(), cpu_isa_name(cpu_isa()),
                       team_.size());
  }
  uint64_t free_bytes() const override { return available_memory(); }
  std::byte* allocate(size_t size) override {
    const size_t alignment = size >= kHugePage ? kHugePage : kAlignment;
    if (size > SIZE_MAX - alignment) out_of_memory(size);
    void* data = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (!data) out_of_memory(size);
    if (size >= kHugePage) ::madvise(data, size, MADV_HUGEPAGE);
    return static_cast<std::byte*>(data);
  }
  void release(std::byte* data, size_t) noexcept override { std::free(data); }
  void copy_in(std::byte* dst, const std::byte* src, size_t size, Stream&) override {
    std::copy(src, src + size, dst);
  }
  void copy_out(std::byte* dst, const std::byte* src, size_t size, Stream&) override {
    std::copy(src, src + size, dst);
  }
  std::unique_ptr<Stream> make_stream() override { return std::make_unique<CpuStream>(); }
  bool host_visible() const override { return true; }
  ThreadTeam* team() override { return &team_; }

 private:
  [[noreturn]] static void out_of_memory(size_t size) {
    fail(ErrorCode::kOutOfMemory, "tensor/devices/cpu", "allocating {} bytes failed", size);
  }
  ThreadTeam team_;
};

std::vector<DeviceInfo> list() {
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return {{"cpu", cpu_model_name(),
           fmt::format("{}, {} CPUs", cpu_isa_name(cpu_isa()), available_cpus()),
           static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * page, available_memory()}};
}

std::unique_ptr<Device> open(int index) {
  if (index != 0) {
    fail(ErrorCode::kNotFound, "tensor/devices/cpu", "there is one cpu device, cpu:0; found {}",
         index);
  }
  return make_cpu_device();
}

}  // namespace device_cpu

std::unique_ptr<Device> make_cpu_device(int threads) {
  return std::make_unique<device_cpu::CpuDevice>(threads);
}

const DeviceDef& cpu_device() {
  static const DeviceDef def = {"cpu", device_cpu::list, device_cpu::open};
  return def;
}

}  // namespace ingot
