// links: loaders
// GGUF bytes from anywhere: read whole or refused with Error; whatever is accepted can be used.
#include "base/error.h"
#include "fuzz/parsed.h"
#include "loaders/gguf.h"
#include "loaders/model_source.h"

namespace ingot {
namespace {

// Reads the ends of every tensor, so that a sanitizer sees an extent that is too long.
uint64_t touch(const WeightSource& source) {
  uint64_t sum = 0;
  for (const std::string& name : source.names()) {
    const WeightInfo& info = source.require(name);
    if (static_cast<uint64_t>(info.type.bytes(info.elements())) != info.bytes.size())
      __builtin_trap();
    if (info.bytes.empty()) continue;
    sum += static_cast<uint64_t>(info.bytes.front()) + static_cast<uint64_t>(info.bytes.back());
    if (info.type.is_block()) {
      std::vector<float> values(static_cast<size_t>(info.type.block->block_elements));
      info.type.block->decode(info.bytes.data(), 1, values.data());
    }
  }
  return sum;
}

template <typename F>
void tolerate(F&& action) {
  try {
    action();
  } catch (const Error&) {
  }
}

}  // namespace
}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ingot;
  tolerate([&] {
    auto file = GgufFile::parse(std::as_bytes(std::span(data, size)), "input.gguf");
    fuzz_parsed();
    touch(*file);
    for (const GgufValue& value : file->metadata()) {
      tolerate([&] { file->require_int(value.key); });
      tolerate([&] { file->require_float(value.key); });
      tolerate([&] { file->require_bool(value.key); });
      tolerate([&] { file->require_string(value.key); });
      tolerate([&] { file->require_strings(value.key); });
      tolerate([&] { file->require_ints(value.key); });
      tolerate([&] { file->require_floats(value.key); });
    }
    tolerate([&] { read_gguf_vocab(*file); });
  });
  return 0;
}
