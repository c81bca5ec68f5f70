// A place where memory lives and kernels run. One kind of device, one file: devices/<kind>.cc
// defines `const DeviceDef& <kind>_device()`; the file name registers it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace ingot {

class ThreadTeam;
struct RandomFill;

// An ordered queue of work. CPU streams run at once on the caller; others run later.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual void synchronize() = 0;
};

// A place in a stream that the host can wait for. One thread at a time.
class Event {
 public:
  virtual ~Event() = default;
  virtual void record(Stream& stream) = 0;
  // Until everything before the last record() is done; at once if nothing was recorded.
  virtual void synchronize() = 0;
};

// A recorded sequence of launches that can be replayed with the same arguments (CUDA graph).
class CapturedGraph {
 public:
  virtual ~CapturedGraph() = default;
  virtual void replay(Stream& stream) = 0;
};

// Time between two places in the work, also of two streams: below 0 if stop's is passed before
// start's. One thread; one start and one stop before each microseconds().
class DeviceTimer {
 public:
  virtual ~DeviceTimer() = default;
  virtual void start(Stream& stream) = 0;  // after the work that is queued
  virtual void stop(Stream& stream) = 0;
  virtual double microseconds() = 0;  // waits for stop's; start's must have been passed by then
};

// One instance a device, owned by whoever runs an executor on it; outlives its buffers. allocate
// and release may be called from any thread; a stream belongs to one thread at a time.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view kind() const = 0;     // "cpu", "cuda", "fake": selects kernels
  virtual std::string identity() const = 0;      // key of device sections and of the timing cache
  virtual std::byte* allocate(size_t size) = 0;  // Error{kOutOfMemory} naming the size; never null
  virtual void release(std::byte* data, size_t size) noexcept = 0;
  // 10 x the compute capability of an NVIDIA GPU (90 for sm_90); 0 where there is no such thing.
  virtual int capability() const { return 0; }
  // Host memory that the device reaches without a detour (page-locked for a GPU), aligned as
  // allocate(). Error{kOutOfMemory}; never null.
  virtual std::byte* allocate_host(size_t size);
  virtual void release_host(std::byte* data, size_t size) noexcept;
  // Copies are ordered on `stream`. copy_in: host_src may be reused as soon as the call returns;
  // memory of allocate_host() only when the stream has passed the copy. copy_out: host_dst holds
  // the data after the stream is synchronized; the host waits in the call unless host_dst is memory
  // of allocate_host().
  virtual void copy_in(std::byte* device_dst, const std::byte* host_src, size_t size,
                       Stream& stream) = 0;
  virtual void copy_out(std::byte* host_dst, const std::byte* device_src, size_t size,
                        Stream& stream) = 0;
  // Within the device. The ranges do not overlap.
  virtual void copy(std::byte* device_dst, const std::byte* device_src, size_t size,
                    Stream& stream);
  virtual void fill_zero(std::byte* device_dst, size_t size, Stream& stream);
  virtual std::unique_ptr<Stream> make_stream() = 0;
  // The default waits for the whole stream: right wherever work runs at once.
  virtual std::unique_ptr<Event> make_event();
  // True where the host may read and write device memory directly.
  virtual bool host_visible() const = 0;
  // Compute threads of a CPU device; nullptr elsewhere.
  virtual ThreadTeam* team() { return nullptr; }

  // Makes this device the calling thread's current one, where the driver's interface has such a
  // thing. Kernels are prepared and launched, and libraries asked, by threads that have called it.
  virtual void activate() {}
  // Bytes that allocate() could still give; 0: not known.
  virtual uint64_t free_bytes() const { return 0; }

  // The `count` elements of a tensor that is a rule: offset + scale * u(seed, i), with the formula
  // of tensor/random_fill.h, which gives the same bits on every device. Ordered on `stream`; the
  // default makes them on the host. `type` is one of is_random_type().
  virtual void fill_random(std::byte* device_dst, DType type, int64_t count, const RandomFill& fill,
                           Stream& stream);

  // Capture: between begin and end every launch on `stream` is recorded instead of run. A device
  // without capture returns false and the executor launches eagerly.
  virtual bool begin_capture(Stream&) { return false; }
  virtual std::unique_ptr<CapturedGraph> end_capture(Stream&) { return nullptr; }

  // The device's own clock where it has one; by default the host's, which waits for the stream.
  virtual std::unique_ptr<DeviceTimer> make_timer();
  // Bytes that the last cache before memory holds; 0: not known, or shared with other programs.
  virtual size_t cache_bytes() const { return 0; }
};

// What `ingot devices` prints of one device.
struct DeviceInfo {
  std::string name;   // as --device takes it: "cpu", "cuda:0"
  std::string model;  // the maker's name of it
  std::string detail;
  uint64_t memory_bytes = 0;
  uint64_t free_bytes = 0;
};

struct DeviceDef {
  std::string_view kind;
  // Devices of this kind on this machine; empty when there are none or their driver does not work.
  std::vector<DeviceInfo> (*list)() = nullptr;
  // Error{kUnsupported, kNotFound} saying what is missing.
  std::unique_ptr<Device> (*open)(int index) = nullptr;
};

// Generated from tensor/devices.
const std::vector<const DeviceDef*>& tensor_device_list();

// "cpu", "cuda", "cuda:1". Error{kUnsupported} naming the kinds of this build, and what open()
// says.
std::unique_ptr<Device> open_device(std::string_view name);
// The list's entry of the device that open_device() opens under that name; errors as there.
DeviceInfo describe_device(std::string_view name);

// threads: as in ThreadTeam. identity() holds the ISA mask and the thread count.
std::unique_ptr<Device> make_cpu_device(int threads = 0);

}  // namespace ingot
