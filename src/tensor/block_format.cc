#include "tensor/block_format.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <span>

#include "base/error.h"
#include "base/random.h"

namespace ingot {
namespace {

// The shelf's list plus what plugins add; guarded by formats_mutex().
std::vector<const BlockFormat*>& all_formats() {
  static std::vector<const BlockFormat*> formats = tensor_format_list();
  return formats;
}
std::mutex& formats_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

const BlockFormat* find_block_format(std::string_view name) {
  std::lock_guard lock(formats_mutex());
  for (const BlockFormat* format : all_formats()) {
    if (format->name == name) return format;
  }
  return nullptr;
}

const BlockFormat* find_gguf_format(uint32_t gguf_type) {
  std::lock_guard lock(formats_mutex());
  for (const BlockFormat* format : all_formats()) {
    if (format->gguf_type == gguf_type) return format;
  }
  return nullptr;
}

void register_block_format(const BlockFormat& format) {
  std::lock_guard lock(formats_mutex());
  for (const BlockFormat* known : all_formats()) {
    if (known == &format) return;
    if (known->name == format.name) {
      fail(ErrorCode::kInvalidArgument, "tensor/block_format", "format '{}' exists already",
           format.name);
    }
    if (known->gguf_type && known->gguf_type == format.gguf_type) {
      fail(ErrorCode::kInvalidArgument, "tensor/block_format",
           "format '{}' has the GGUF type {} of '{}'", format.name, *format.gguf_type, known->name);
    }
  }
  all_formats().push_back(&format);
}

void random_blocks(const BlockFormat& format, uint64_t seed, int64_t blocks, std::byte* dst) {
  constexpr int kMostDraws = 1000;
  std::vector<float> values(static_cast<size_t>(format.block_elements));
  uint64_t drawn = 0;
  for (int64_t b = 0; b < blocks; ++b, dst += format.block_bytes) {
    int draws = 0;
    do {
      if (++draws > kMostDraws) {
        fail(ErrorCode::kInternal, "tensor/block_format",
             "format '{}': {} blocks of random bytes all held numbers of 2^16 or more", format.name,
             kMostDraws);
      }
      for (std::byte& byte : std::span(dst, static_cast<size_t>(format.block_bytes))) {
        byte = static_cast<std::byte>(random_u64(seed, drawn++) >> 56);
      }
      format.decode(dst, 1, values.data());
    } while (!std::all_of(values.begin(), values.end(),
                          [](float v) { return std::fabs(v) < 0x1p16f; }));  // false for NaN
  }
}

}  // namespace ingot
