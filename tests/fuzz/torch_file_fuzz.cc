// links: loaders
// PyTorch archives from anywhere: read whole or refused with Error; every accepted extent is real.
#include "base/error.h"
#include "fuzz/parsed.h"
#include "loaders/torch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ingot;
  try {
    const auto table = parse_torch_file(std::as_bytes(std::span(data, size)), "input.bin");
    fuzz_parsed();
    uint64_t sum = 0;
    for (const auto& entry : table->entries()) {
      if (static_cast<uint64_t>(entry->type.bytes(entry->elements())) != entry->bytes.size()) {
        __builtin_trap();
      }
      for (const std::byte byte : entry->bytes) sum += static_cast<uint64_t>(byte);
    }
    if (sum == UINT64_MAX) __builtin_trap();  // keeps the loop
  } catch (const Error&) {
  }
  return 0;
}
