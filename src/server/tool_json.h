// JSON of a tool's call, byte by byte, as a model writes it.
#pragma once

#include <string>
#include <string_view>

#include "server/tool_format.h"

namespace ingot {

enum class JsonStep { kMore, kDone, kBad };

// One object or list: finds where it ends.
class JsonSpan {
 public:
  JsonStep push(char c);
  bool started() const { return !open_.empty() || done_; }

 private:
  std::string open_;  // brackets that are not closed
  bool in_string_ = false, escaped_ = false, done_ = false;
};

// {"name": "…", "arguments": {…}}, in either order; "parameters" is taken for "arguments", and a
// string that holds JSON for an object; a list, or text that is no JSON, is handed on as it is. The
// call begins when its name is known; arguments that come before it wait. Bad: no such object; then
// nothing has been said. `offered`: a name that is no tool's is bad too, and a tool's description,
// where nothing but the object tells a call from JSON. `begin`: so it begins, to the byte, or is
// bad; outlives this.
class ToolCallReader {
 public:
  explicit ToolCallReader(ToolSink& sink, bool offered = false, std::string_view begin = {})
      : sink_(sink), offered_(offered), begin_(begin) {}
  JsonStep push(char c);
  bool begun() const { return begun_; }
  const std::string& text() const { return text_; }  // all that was pushed

 private:
  enum class At { kStart, kKey, kColon, kValue, kInside, kComma };
  JsonStep key(char c);
  JsonStep value(char c);
  JsonStep finish_value();
  void begin();
  JsonStep finish();

  ToolSink& sink_;
  const bool offered_;
  const std::string_view begin_;
  At at_ = At::kStart;
  std::string text_, key_, value_, waiting_;
  JsonSpan span_;
  std::string name_;
  bool named_ = false, begun_ = false, said_ = false;
  bool escaped_ = false;
  size_t end_ = 0;  // of the string that a key or value is, in value_
};

constexpr std::string_view kJsonSpace = " \n\t\r";
// `text` without white space at its ends.
std::string_view trim_space(std::string_view text);

// White space may wait so long for a call; more is content, for each byte looks at all that waits.
constexpr size_t kMostHeld = 1024;

// Bytes at the end of `text` that could be the beginning of `mark`.
size_t held_back(std::string_view text, std::string_view mark);

}  // namespace ingot
