// Flags of `ingot serve` that size the KV cache, under this program's names and other servers'.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/contract/command.h"
#include "runtime/session_memory.h"

namespace ingot {

// --kv-memory: GiB, or, up to 1, a part of what is free; 0 for an empty text. UsageError.
double kv_memory_amount(const std::string& text);

struct KvCacheFlags {
  void declare(Flags& flags);
  void check() const;  // UsageError: a value out of range, two of the flags
  // The flags that are given, with their dashes.
  std::vector<std::string_view> given() const;
  // Pages that the flags ask for, at least 1; nothing where none is given. Error{kUnsupported} for
  // a part of memory whose free bytes are not known.
  std::optional<int64_t> pages(const SessionMemory& memory) const;

  int64_t tokens = 0, bytes = 0;
  std::string memory;
  double utilization = 0;
};

}  // namespace ingot
