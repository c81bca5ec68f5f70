#include "server/sse_parser.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// Of the line's end, CR or LF; npos without one.
size_t line_end(std::string_view text) {
  const size_t feed = text.find('\n');
  return std::min(feed, text.substr(0, feed).find('\r'));
}

}  // namespace

void SseParser::check_size(size_t more) const {
  if (line_.size() + data_.size() + type_.size() + more <= most_bytes_) return;
  fail(ErrorCode::kCorrupt, "server/sse_parser",
       "an event stream: expected at most {} bytes in an event, found more", most_bytes_);
}

void SseParser::feed(std::string_view bytes, FunctionRef<void(const SseEvent&)> on_event) {
  while (!bytes.empty()) {
    if (after_cr_) {
      after_cr_ = false;
      if (bytes[0] == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    const size_t end = line_end(bytes);
    const std::string_view part = bytes.substr(0, end);
    check_size(part.size());
    if (end == bytes.npos) {
      line_ += part;
      return;
    }
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    if (line_.empty()) {
      take_line(part, on_event);
    } else {
      line_ += part;
      const std::string line = std::exchange(line_, {});
      take_line(line, on_event);
    }
  }
}

void SseParser::take_line(std::string_view line, FunctionRef<void(const SseEvent&)> on_event) {
  if (std::exchange(first_line_, false) && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  if (line.empty()) {
    if (has_data_) on_event({type_, data_});
    type_.clear();
    data_.clear();
    has_data_ = false;
    return;
  }
  const size_t colon = line.find(':');
  if (colon == 0) return;  // a comment
  std::string_view value = colon == line.npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  take_field(line.substr(0, colon), value);
}

void SseParser::take_field(std::string_view name, std::string_view value) {
  if (name == "data") {
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  } else if (name == "event") {
    type_ = value;
  }
  // "id" and "retry" are for clients that connect again; others are to be ignored.
}

}  // namespace ingot
