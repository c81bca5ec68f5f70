// Owned memory on a device.
#pragma once

#include <cstddef>
#include <memory>

namespace ingot {

class Device;

// Owns `size` bytes, aligned to 64 on CPUs and 256 on GPUs. Move only. Frees through its device,
// which must outlive it. An empty buffer has data() == nullptr.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Device& device, size_t size);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  Device* device_ = nullptr;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Owns host memory of Device::allocate_host, else like Buffer.
class HostBuffer {
 public:
  HostBuffer() = default;
  HostBuffer(Device& device, size_t size);
  ~HostBuffer();
  HostBuffer(HostBuffer&& other) noexcept;
  HostBuffer& operator=(HostBuffer&& other) noexcept;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  Device* device_ = nullptr;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ingot
