// links: server
// Text that a model writes: every format's parser gives the same parts whatever pieces it comes in,
// and arguments only behind a call's name. Formats whose arguments are not JSON make JSON of them.
#include "base/check.h"
#include "base/json.h"
#include "fuzz/parsed.h"
#include "server/tool_format.h"
#include "text/utf8.h"

namespace {

using ingot::Json;

class Parts final : public ingot::ToolSink {
 public:
  Parts(bool held, bool makes_json) : held_(held), makes_json_(makes_json) {}
  void content(std::string_view text) override {
    if (!last_content) {
      said += "|";
      end_call();
    }
    said += text;
    last_content = true;
  }
  void begin_call(std::string_view name) override {
    if (!last_content) end_call();
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
    arguments_ += json;
  }
  const Json* parameters(std::string_view) const override {
    static const Json schema = Json::parse(
        R"({"properties": {"n": {"type": "integer"}, "s": {"type": "string"}, "e": {}}})");
    return &schema;
  }
  bool held() const override { return held_; }
  std::string said;
  int calls = 0;
  bool last_content = true;

 private:
  // Only an answer's last call may be cut.
  void end_call() {
    CHECK(!makes_json_ || Json::accept(arguments_));
    arguments_.clear();
  }
  const bool held_, makes_json_;
  std::string arguments_;
};

Parts parsed(const ingot::ToolFormatDef& format, std::string_view text, size_t piece, bool held) {
  const bool json = format.form("f", "").members && ingot::validate_utf8(text) == ingot::kUtf8Valid;
  Parts out(held, json);
  const auto parser = format.make(out);
  for (size_t at = 0; at < text.size(); at += piece) parser->push(text.substr(at, piece));
  parser->end();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const ingot::ToolFormatDef* format : ingot::server_tool_format_list()) {
    for (const bool held : {false, true}) {
      const Parts whole = parsed(*format, text, size + 1, held);
      for (const size_t piece : {1, 3}) {
        CHECK(parsed(*format, text, piece, held).said == whole.said);
      }
      if (whole.calls > 0) ingot::fuzz_parsed();
    }
  }
  return 0;
}
