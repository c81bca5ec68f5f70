// links: base
// JSON text from anywhere: parses or fails with Error, and typed access to what it holds does too.
#include "base/json.h"
#include "fuzz/parsed.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const ingot::Json json =
        ingot::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz", "input.json");
    ingot::fuzz_parsed();
    ingot::json_get<int64_t>(json, "hidden_size", 1, "fuzz", "input.json");
  } catch (const ingot::Error&) {
  }
  return 0;
}
