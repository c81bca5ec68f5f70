// A value of a call's arguments as it comes, written without quotes around texts (tool_values.h).
// Where it ends, its format tells.
#pragma once

#include <string>

#include "server/tool_format.h"
#include "server/tool_marks.h"
#include "server/tool_values.h"

namespace ingot {

class ValueReader {
 public:
  explicit ValueReader(ToolSink& sink) : sink_(sink) {}

  // `strict`: a grammar holds the value to its schema.
  void begin(ValueKind kind, bool strict);
  void push(char c);
  // Takes what of `held` is the value, with find_end(text) -> Mark telling whether it ends before a
  // text. True where it does: held begins with that end then. Else held keeps what may be one. In a
  // string of JSON nothing ends; only one that a grammar holds is sure to end itself.
  template <class F>
  bool take(std::string& held, F&& find_end) {
    size_t done = 0;
    Mark mark = Mark::kNone;
    for (; done < held.size(); ++done) {
      mark = in_string_ ? Mark::kNone : find_end(std::string_view(held).substr(done));
      if (mark != Mark::kNone) break;
      push(held[done]);
    }
    held.erase(0, done);
    return mark == Mark::kThere;
  }
  void end();
  // Says what has come of a text that is cut; of anything else nothing.
  void cut(std::string_view rest);

 private:
  ToolSink& sink_;
  ValueKind kind_ = ValueKind::kText;
  std::string value_;  // what has come of one that is no text for sure
  bool strict_ = false;
  bool json_ = false;                         // it is JSON for sure, and strict
  bool in_string_ = false, escaped_ = false;  // of such JSON
};

}  // namespace ingot
