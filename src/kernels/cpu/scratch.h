// Working memory of one thread that outlives a launch.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace ingot::cpu {

// 64-byte aligned memory of at least `bytes`, owned by the calling thread and reused by its next
// call: contents are undefined. It grows to the largest request and stays.
inline std::byte* thread_scratch(size_t bytes) {
  struct Deleter {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  thread_local std::unique_ptr<std::byte[], Deleter> memory;
  thread_local size_t capacity = 0;
  if (bytes > capacity) {
    memory.reset();
    capacity = 0;
    memory.reset(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{64})));
    capacity = bytes;
  }
  return memory.get();
}

}  // namespace ingot::cpu
