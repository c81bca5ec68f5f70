// Errors that are the user's fault: a file, a flag, a request. Programming faults use check.h.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace ingot {

enum class ErrorCode {
  kInvalidArgument,  // a value outside what the caller may pass
  kNotFound,         // a file, tensor or name that does not exist
  kUnsupported,      // well formed, but not something Ingot can run
  kCorrupt,          // a file that contradicts itself or its format
  kIo,               // the operating system refused: disk full, permission, network
  kOutOfMemory,
  kCancelled,
  kInternal,  // our fault, seen by a caller that must go on (serving)
};

std::string_view error_code_name(ErrorCode code);

// What every loader, builder and command throws. The message opens with the complainer in brackets
// and says where, what was needed and what was found:
//   [loaders/gguf] model.gguf: tensor 'x' at offset 4096: needs 512 bytes, file has 100
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

[[noreturn]] void throw_error(ErrorCode code, std::string_view where, std::string message);

// fail(ErrorCode::kCorrupt, "loaders/gguf", "tensor '{}': ...", name)
template <typename... Args>
[[noreturn]] void fail(ErrorCode code, std::string_view where, fmt::format_string<Args...> format,
                       Args&&... args) {
  throw_error(code, where, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ingot
