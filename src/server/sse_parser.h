// Reads a stream of server-sent events (WHATWG HTML, "event stream interpretation"), however its
// bytes are cut into pieces.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/function_ref.h"

namespace ingot {

struct SseEvent {
  std::string_view type;  // empty: "message"
  std::string_view data;  // lines joined by LF
};

class SseParser {
 public:
  // Error{kCorrupt} from feed() when an event has more bytes than this.
  explicit SseParser(size_t most_bytes = size_t{16} << 20) : most_bytes_(most_bytes) {}

  // Calls `on_event` for each event that these bytes complete; its views hold during the call.
  void feed(std::string_view bytes, FunctionRef<void(const SseEvent&)> on_event);
  // Whether the bytes so far end behind an event; else the rest of one is missing.
  bool at_boundary() const { return line_.empty() && !has_data_ && type_.empty(); }

 private:
  void take_line(std::string_view line, FunctionRef<void(const SseEvent&)> on_event);
  void take_field(std::string_view name, std::string_view value);
  void check_size(size_t more) const;

  size_t most_bytes_;
  std::string line_;  // begun, its end not seen
  std::string type_, data_;
  bool has_data_ = false;
  bool first_line_ = true;  // a byte order mark may stand before it
  bool after_cr_ = false;   // an LF that follows belongs to the line end before it
};

}  // namespace ingot
