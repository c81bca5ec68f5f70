// A place where memory lives and kernels run. CPU here; a fake one for tests; CUDA in its own file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ingot {

class ThreadTeam;

// An ordered queue of work. CPU streams run at once on the caller; others run later.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual void synchronize() = 0;
};

// A recorded sequence of launches that can be replayed with the same arguments (CUDA graph).
class CapturedGraph {
 public:
  virtual ~CapturedGraph() = default;
  virtual void replay(Stream& stream) = 0;
};

// One instance a device, owned by whoever runs an executor on it; outlives its buffers.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view kind() const = 0;     // "cpu", "cuda", "fake": selects kernels
  virtual std::string identity() const = 0;      // key of device sections and of the timing cache
  virtual std::byte* allocate(size_t size) = 0;  // Error{kOutOfMemory} naming the size; never null
  virtual void release(std::byte* data, size_t size) noexcept = 0;
  virtual void copy_in(std::byte* device_dst, const std::byte* host_src, size_t size,
                       Stream& stream) = 0;
  virtual void copy_out(std::byte* host_dst, const std::byte* device_src, size_t size,
                        Stream& stream) = 0;
  virtual std::unique_ptr<Stream> make_stream() = 0;
  // True where the host may read and write device memory directly.
  virtual bool host_visible() const = 0;
  // Compute threads of a CPU device; nullptr elsewhere.
  virtual ThreadTeam* team() { return nullptr; }

  // Capture: between begin and end every launch on `stream` is recorded instead of run. A device
  // without capture returns false and the executor launches eagerly.
  virtual bool begin_capture(Stream&) { return false; }
  virtual std::unique_ptr<CapturedGraph> end_capture(Stream&) { return nullptr; }
};

// threads: as in ThreadTeam. identity() holds the ISA mask and the thread count.
std::unique_ptr<Device> make_cpu_device(int threads = 0);

}  // namespace ingot
