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

}  // namespace ingot
