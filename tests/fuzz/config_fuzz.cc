// links: loaders
// A config.json from anywhere, read as Hugging Face's and as a checkpoint's: complete or Error.
#include "base/error.h"
#include "base/json.h"
#include "fuzz/parsed.h"
#include "loaders/checkpoint.h"
#include "loaders/hf_config.h"

namespace {

bool accepted(void (*read)(const ingot::Json& config), const ingot::Json& config) {
  try {
    read(config);
  } catch (const ingot::Error&) {
    return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ingot::Json;
  try {
    const Json config =
        ingot::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz", "config.json");
    if (!config.is_object()) return 0;
    bool all = accepted([](const Json& c) { ingot::read_rope_config(c, "config.json"); }, config);
    all &= accepted([](const Json& c) { ingot::read_config_dtype(c, "config.json"); }, config);
    all &= accepted(
        [](const Json& c) { ingot::read_generation_defaults(c, c, "g.json", "config.json"); },
        config);
    all &= accepted([](const Json& c) { ingot::read_chat_template(c, "config.json"); }, config);
    all |= accepted([](const Json& c) { ingot::complete_checkpoint_config(c, "config.json"); },
                    config);
    if (all) ingot::fuzz_parsed();
  } catch (const ingot::Error&) {
  }
  return 0;
}
