#include "tensor/buffer.h"

#include <utility>

#include "tensor/device.h"

namespace ingot {

Buffer::Buffer(Device& device, size_t size) : device_(&device), size_(size) {
  if (size > 0) data_ = device.allocate(size);
}
Buffer::~Buffer() {
  if (data_) device_->release(data_, size_);
}
Buffer::Buffer(Buffer&& other) noexcept
    : device_(other.device_),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}
Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    if (data_) device_->release(data_, size_);
    device_ = other.device_;
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

HostBuffer::HostBuffer(Device& device, size_t size) : device_(&device), size_(size) {
  if (size > 0) data_ = device.allocate_host(size);
}
HostBuffer::~HostBuffer() {
  if (data_) device_->release_host(data_, size_);
}
HostBuffer::HostBuffer(HostBuffer&& other) noexcept
    : device_(other.device_),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}
HostBuffer& HostBuffer::operator=(HostBuffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace ingot
