// What an answer says beside its calls, of a text that comes in pieces.
#pragma once

#include <string>

#include "server/tool_format.h"
#include "server/tool_json.h"
#include "server/tool_marks.h"

namespace ingot {

// White space alone, before a call or between two, is no content. Not thread safe; the sink must
// outlive it.
class ToolContent {
 public:
  explicit ToolContent(ToolSink& sink) : sink_(sink) {}
  // Says the first `size` bytes of `held` and takes them off; they stay where they are white space
  // that a call may follow.
  void say(std::string& held, size_t size) {
    const std::string text = held.substr(0, size);
    const bool waits = between_ && size <= kMostHeld && is_blank(text);
    if (text.empty() || waits) return;
    say(text);
    held.erase(0, size);
  }
  void say(std::string_view text) {
    sink_.content(text);
    between_ = false;
  }
  void call_ended() { between_ = true; }

 private:
  ToolSink& sink_;
  bool between_ = true;  // nothing was said yet, or since the last call
};

}  // namespace ingot
