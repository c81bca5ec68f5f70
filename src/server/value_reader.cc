#include "server/value_reader.h"

#include <utility>

#include "server/tool_marks.h"

namespace ingot {

void ValueReader::begin(ValueKind kind, bool strict) {
  kind_ = kind;
  strict_ = strict;
  json_ = in_string_ = escaped_ = false;
  value_.clear();
  if (kind_ == ValueKind::kText) sink_.arguments("\"");
}

void ValueReader::push(char c) {
  if (kind_ == ValueKind::kText) return sink_.arguments(json_escaped({&c, 1}));
  if (strict_ && !json_ && is_blank(value_)) {
    json_ = kind_ == ValueKind::kJson || c == '"' || c == '[' || c == '{';
  }
  value_ += c;
  if (!json_) return;
  if (escaped_) {
    escaped_ = false;
  } else if (in_string_ && c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    in_string_ = !in_string_;
  }
}

void ValueReader::end() {
  sink_.arguments(kind_ == ValueKind::kText ? "\"" : value_json(kind_, value_));
  value_.clear();
}

void ValueReader::cut(std::string_view rest) {
  if (kind_ == ValueKind::kText) sink_.arguments(json_escaped(rest));
}

}  // namespace ingot
