// links: server
// Text that a model writes: every format's parser gives the same parts whatever pieces it comes in,
// and arguments only behind a call's name.
#include "base/check.h"
#include "fuzz/parsed.h"
#include "server/tool_format.h"

namespace {

class Parts final : public ingot::ToolSink {
 public:
  void content(std::string_view text) override {
    if (!last_content) said += "|";
    said += text;
    last_content = true;
  }
  void begin_call(std::string_view name) override {
    said += "\x01";
    said += name;
    said += "\x02";
    ++calls;
    last_content = false;
  }
  void arguments(std::string_view json) override {
    CHECK(calls > 0);
    CHECK(!last_content);
    said += json;
  }
  std::string said;
  int calls = 0;
  bool last_content = true;
};

Parts parsed(const ingot::ToolFormatDef& format, std::string_view text, size_t piece) {
  Parts out;
  const auto parser = format.make(out);
  for (size_t at = 0; at < text.size(); at += piece) parser->push(text.substr(at, piece));
  parser->end();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const ingot::ToolFormatDef* format : ingot::server_tool_format_list()) {
    const Parts whole = parsed(*format, text, size + 1);
    for (const size_t piece : {1, 3}) CHECK(parsed(*format, text, piece).said == whole.said);
    if (whole.calls > 0) ingot::fuzz_parsed();
  }
  return 0;
}
