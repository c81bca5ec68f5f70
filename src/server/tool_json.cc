#include "server/tool_json.h"

#include <algorithm>

#include "base/json.h"

namespace ingot {
namespace {

constexpr size_t kMaxCallDepth = 128;
constexpr size_t kMaxCallBytes = size_t{4} << 20;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// The text of a JSON string with its quotes; false: it is none.
bool decode_string(const std::string& json, std::string& out) {
  const Json value = Json::parse(json, nullptr, false);
  if (!value.is_string()) return false;
  out = value.get<std::string>();
  return true;
}

}  // namespace

JsonStep JsonSpan::push(char c) {
  if (in_string_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
    }
    return JsonStep::kMore;
  }
  if (c == '"') in_string_ = true;
  if (c == '{' || c == '[') {
    if (open_.size() == kMaxCallDepth) return JsonStep::kBad;
    open_ += c;
  }
  if (c == '}' || c == ']') {
    if (open_.empty() || open_.back() != (c == '}' ? '{' : '[')) return JsonStep::kBad;
    open_.pop_back();
    done_ = open_.empty();
    if (done_) return JsonStep::kDone;
  }
  return open_.empty() ? JsonStep::kBad : JsonStep::kMore;
}

JsonStep ToolCallReader::push(char c) {
  text_ += c;
  const size_t at = text_.size() - 1;
  if (at >= kMaxCallBytes || (at < begin_.size() && c != begin_[at])) return JsonStep::kBad;
  switch (at_) {
    case At::kStart:
      if (is_space(c)) return JsonStep::kMore;
      if (c != '{') return JsonStep::kBad;
      at_ = At::kKey;
      return JsonStep::kMore;
    case At::kKey:
      return key(c);
    case At::kColon:
      if (is_space(c)) return JsonStep::kMore;
      if (c != ':') return JsonStep::kBad;
      at_ = At::kValue;
      value_.clear();
      span_ = {};
      return JsonStep::kMore;
    case At::kValue:
      if (is_space(c)) return JsonStep::kMore;
      at_ = At::kInside;
      return value(c);
    case At::kInside:
      return value(c);
    case At::kComma:
      if (is_space(c)) return JsonStep::kMore;
      if (c == '}') return finish();
      if (c != ',') return JsonStep::kBad;
      at_ = At::kKey;
      return JsonStep::kMore;
  }
  return JsonStep::kBad;
}

JsonStep ToolCallReader::key(char c) {
  if (value_.empty()) {
    if (is_space(c)) return JsonStep::kMore;
    if (c == '}' && !begun_ && !named_) return JsonStep::kBad;  // an empty object
    if (c != '"') return JsonStep::kBad;
    value_ = c;
    return JsonStep::kMore;
  }
  value_ += c;
  if (escaped_) {
    escaped_ = false;
  } else if (c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    if (!decode_string(value_, key_)) return JsonStep::kBad;
    // A tool as it was described to the model, whose "parameters" are a schema.
    if (offered_ && !begun_ && key_ == "description") return JsonStep::kBad;
    value_.clear();
    at_ = At::kColon;
  }
  return JsonStep::kMore;
}

// A value's first character tells what it is.
JsonStep ToolCallReader::value(char c) {
  const bool arguments = key_ == "arguments" || key_ == "parameters";
  if (value_.empty() ? c == '{' || c == '[' : span_.started()) {
    const JsonStep step = span_.push(c);
    if (value_.empty()) value_ = c;  // the rest of an object is not kept
    if (arguments && !said_) {
      if (begun_ || named_) begin();
      if (begun_) {
        sink_.arguments(std::string_view(&c, 1));
      } else {
        waiting_ += c;
      }
    }
    if (step == JsonStep::kDone) {
      said_ = said_ || arguments;
      value_.clear();
      at_ = At::kComma;
      return JsonStep::kMore;
    }
    return step;
  }
  if (value_.empty() || value_[0] == '"') {
    const bool first = value_.empty();
    value_ += c;
    if (first && c != '"') return JsonStep::kMore;  // a number, true, null
    if (first) return JsonStep::kMore;
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      return finish_value();
    }
    return JsonStep::kMore;
  }
  if (c == ',' || c == '}' || is_space(c)) {
    value_.clear();
    if (is_space(c)) {
      at_ = At::kComma;
      return JsonStep::kMore;
    }
    at_ = At::kComma;
    if (c == '}') return finish();
    at_ = At::kKey;
    return JsonStep::kMore;
  }
  value_ += c;
  return JsonStep::kMore;
}

JsonStep ToolCallReader::finish_value() {
  std::string text;
  if (!decode_string(value_, text)) return JsonStep::kBad;
  value_.clear();
  at_ = At::kComma;
  if (key_ == "name" && !named_) {
    if (text.empty() || (offered_ && !sink_.offers(text))) return JsonStep::kBad;
    name_ = text;
    named_ = true;
    if (!waiting_.empty()) begin();
  } else if ((key_ == "arguments" || key_ == "parameters") && !said_ && waiting_.empty()) {
    // A model that writes its arguments as OpenAI's API shows them.
    if (text.empty()) return JsonStep::kMore;
    waiting_ = text;
    said_ = true;
    if (named_) begin();
  }
  return JsonStep::kMore;
}

void ToolCallReader::begin() {
  if (!begun_) sink_.begin_call(name_);
  begun_ = true;
  if (!waiting_.empty()) sink_.arguments(waiting_);
  waiting_.clear();
}

JsonStep ToolCallReader::finish() {
  if (!named_) return JsonStep::kBad;
  const bool none = !said_ && waiting_.empty();
  begin();
  if (none) sink_.arguments("{}");
  return JsonStep::kDone;
}

std::string_view trim_space(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kJsonSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kJsonSpace) + 1);
}

size_t held_back(std::string_view text, std::string_view mark) {
  for (size_t size = std::min(text.size(), mark.size() - 1); size > 0; --size) {
    if (mark.starts_with(text.substr(text.size() - size))) return size;
  }
  return 0;
}

}  // namespace ingot
