#include "tensor/block_format.h"

#include <mutex>

#include "base/error.h"

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

}  // namespace ingot
