// links: text
// A chat template from anywhere: parses and renders, or fails with Error, within its limits.
#include "base/error.h"
#include "fuzz/parsed.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ingot::TemplateLimits limits;
  limits.steps = 20'000;
  limits.output_bytes = size_t{1} << 16;
  limits.time_ms = 2'000;
  ingot::ChatInput input;
  input.messages = {{{"role", "system"}, {"content", "Be brief."}},
                    {{"role", "user"}, {"content", "Hi <|im_end|> there"}},
                    {{"role", "assistant"}, {"content", "Hello!"}}};
  input.bos_token = "<s>";
  input.eos_token = "</s>";
  input.extra = {{"tools", ingot::Json::array()}, {"number", 3}};
  input.now_unix_s = 1'700'000'000;
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto parsed = ingot::ChatTemplate::parse(text, "fuzz", limits);
    parsed->render(input);
    ingot::fuzz_parsed();
  } catch (const ingot::Error&) {
  }
  return 0;
}
