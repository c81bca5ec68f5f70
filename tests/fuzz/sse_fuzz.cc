// links: server
// An event stream from anywhere: the events are the same however its bytes are cut, and those that
// a second reading finds, line by line over the whole text.
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/error.h"
#include "fuzz/parsed.h"
#include "server/sse_parser.h"

namespace {

using Events = std::vector<std::pair<std::string, std::string>>;  // type, data

// In pieces of 1 to `most` bytes, by the bytes themselves.
Events pieces(std::string_view text, size_t most) {
  Events out;
  ingot::SseParser parser;
  while (!text.empty()) {
    const size_t size = 1 + static_cast<unsigned char>(text.back()) * text.size() % most;
    parser.feed(text.substr(0, size),
                [&](const ingot::SseEvent& event) { out.emplace_back(event.type, event.data); });
    text.remove_prefix(std::min(size, text.size()));
  }
  return out;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' || text[i] == '\r') {
      i += text.substr(i).starts_with("\r\n");
      out.emplace_back();
    } else {
      out.back() += text[i];
    }
  }
  out.pop_back();  // has no end
  return out;
}

Events second_reading(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  Events out;
  std::string type, data;
  bool any = false;
  for (const std::string& line : lines_of(text)) {
    const auto field = [&](const std::string& name, std::string& into, bool append) {
      if (line != name && !line.starts_with(name + ":")) return;
      std::string value = line.substr(std::min(line.size(), name.size() + 1));
      if (value.starts_with(" ")) value = value.substr(1);
      into = append ? into + value + "\n" : value;
      any = any || append;
    };
    field("data", data, true);
    field("event", type, false);
    if (!line.empty()) continue;
    if (any) out.emplace_back(type, data.substr(0, data.size() - 1));
    type = data = "";
    any = false;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const Events wanted = second_reading(text);
  for (const size_t most : {size_t{1}, size_t{7}, size_t{1} << 20}) {
    if (pieces(text, most) != wanted) std::abort();
  }
  if (!wanted.empty()) ingot::fuzz_parsed();
  return 0;
}
