// <tool_call>NAME<arg_key>KEY</arg_key><arg_value>VALUE</arg_value>…</tool_call>: GLM-4.5 and 4.6
// with line ends between the marks, 4.7 without. A value has no quotes and no escapes; the tool's
// schema tells a text from JSON.
#include <fmt/format.h>

#include <algorithm>

#include "server/tool_content.h"
#include "server/tool_format.h"
#include "server/tool_json.h"
#include "server/tool_marks.h"
#include "server/tool_values.h"
#include "server/value_reader.h"

namespace ingot {
namespace tool_format_glm45 {

constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";
constexpr std::string_view kKey = "<arg_key>";
constexpr std::string_view kKeyEnd = "</arg_key>";
constexpr std::string_view kValue = "<arg_value>";
constexpr std::string_view kValueEnd = "</arg_value>";

// Whether a value ends before `text`: only what goes on as a call does ends it, for a value may be
// a text about calls.
Mark value_end(std::string_view text) {
  if (const Mark mark = mark_at(text, {kValueEnd}); mark != Mark::kThere) return mark;
  const std::string_view behind = text.substr(kValueEnd.size());
  if (behind.size() > kMostHeld) return Mark::kThere;
  return mark_at(without_blank(behind), {kKey, kClose});
}

class Parser final : public ToolParser {
 public:
  explicit Parser(ToolSink& sink) : sink_(sink), content_(sink), value_(sink) {}

  void push(std::string_view text) override {
    for (const char c : text) one(c);
    if (at_ == At::kText) content_.say(held_, held_.size() - held_back(held_, kOpen));
  }

  void end() override {
    const bool ended = held_.starts_with(kValueEnd);
    if (at_ == At::kText) content_.say(held_, held_.size());
    if (at_ == At::kName) sink_.content(std::string(kOpen) + held_);
    if (at_ == At::kArgument && ended) finish_value();
    if (at_ == At::kArgument) value_.cut(held_);
  }

 private:
  enum class At {
    kText,
    kName,      // of the tool, behind <tool_call>
    kCall,      // between arguments
    kKey,       // of an argument
    kBetween,   // behind its key
    kArgument,  // its value
  };

  void one(char c) {
    held_ += c;
    if (at_ == At::kText) return text();
    if (at_ == At::kName) return name();
    if (at_ == At::kCall) return call();
    if (at_ == At::kKey) return key();
    if (at_ == At::kBetween) return between();
    value();
  }

  // Takes held_ as if it came anew.
  void again(At at) {
    at_ = at;
    const std::string text = std::exchange(held_, {});
    for (const char c : text) one(c);
  }

  void text() {
    if (!held_.ends_with(kOpen)) return;
    held_.resize(held_.size() - kOpen.size());
    content_.say(held_, held_.size());
    held_.clear();
    at_ = At::kName;
  }

  void name() {
    const std::string_view text = sink_.held() ? held_ : without_blank(held_);
    const std::string_view name = text.substr(0, text.find_first_of(" \n\t\r<"));
    const std::string_view behind = without_blank(text.substr(name.size()));
    const Mark mark = mark_at(behind, {kKey, kClose});
    const bool waits = mark == Mark::kMore && held_.size() <= kMostHeld;
    // A word between the marks may be no call at all.
    const bool known = sink_.offers(name) || (!sink_.held() && behind == kKey);
    if (mark != Mark::kThere && waits) return;
    if (mark != Mark::kThere || name.empty() || !known) {
      held_.insert(0, kOpen);
      at_ = At::kText;
      return;
    }
    name_ = name;
    strict_ = sink_.strict(name_);
    sink_.begin_call(name_);
    sink_.arguments("{");
    arguments_ = 0;
    held_ = std::string(behind);
    again(At::kCall);
  }

  void call() {
    const std::string_view rest = without_blank(held_);
    const Mark mark = mark_at(rest, {kKey, kClose});
    if (mark == Mark::kMore && held_.size() <= kMostHeld) return;
    if (rest == kKey) {
      held_.clear();
      at_ = At::kKey;
    } else if (rest == kClose) {
      held_.clear();
      end_call();
    } else {
      end_call();
    }
  }

  // held_ is text behind the call.
  void end_call() {
    sink_.arguments("}");
    content_.call_ended();
    again(At::kText);
  }

  void key() {
    const size_t looked = held_.size() - std::min(held_.size(), kKeyEnd.size());
    const size_t mark = held_.find('<', looked);
    if (mark == held_.npos) return;
    const std::string_view end = std::string_view(held_).substr(mark);
    if (end == kKeyEnd && mark > 0) {
      at_ = At::kBetween;
    } else if (!kKeyEnd.starts_with(end) || mark == 0) {
      held_.insert(0, kKey);
      end_call();
    }
  }

  void between() {
    const std::string_view behind = std::string_view(held_).substr(held_.find(kKeyEnd));
    const std::string_view rest = without_blank(behind.substr(kKeyEnd.size()));
    const Mark mark = mark_at(rest, {kValue});
    if (mark == Mark::kMore && behind.size() <= kMostHeld) return;
    if (mark != Mark::kThere) {
      held_.insert(0, kKey);
      return end_call();
    }
    held_.resize(held_.find(kKeyEnd));
    const std::string key(sink_.held() ? held_ : trim_space(held_));
    if (arguments_++ > 0) sink_.arguments(", ");
    sink_.arguments("\"" + json_escaped(key) + "\": ");
    value_.begin(value_kind(sink_.parameters(name_), key), strict_);
    held_.clear();
    at_ = At::kArgument;
  }

  void value() {
    if (value_.take(held_, value_end)) finish_value();
  }

  // held_ is the end of the value and what follows.
  void finish_value() {
    value_.end();
    held_.erase(0, kValueEnd.size());
    again(At::kCall);
  }

  ToolSink& sink_;
  ToolContent content_;
  At at_ = At::kText;
  std::string held_;  // what is not yet said, of the part that at_ names
  std::string name_;
  ValueReader value_;
  int arguments_ = 0;
  bool strict_ = false;  // the call's arguments are of their schema
};

// As the template writes calls, or tells the model to: a line end stands there as one or as "\n".
CallForm form(std::string_view name, std::string_view chat_template) {
  const bool lines = chat_template.find("</arg_key>\n") != chat_template.npos ||
                     chat_template.find("</arg_key>\\n") != chat_template.npos;
  const std::string_view line = lines ? "\n" : "";
  return {.separator = std::string(line),
          .begin = fmt::format("{}{}{}", kOpen, name, line),
          .end = std::string(kClose),
          .trigger = std::string(kOpen),
          .members = MemberForm{.begin = std::string(kKey),
                                .middle = fmt::format("{}{}{}", kKeyEnd, line, kValue),
                                .end = fmt::format("{}{}", kValueEnd, line),
                                .names = "[^<]+",
                                .no_text = fmt::format("[\\s\\S]*{}[\\s\\S]*", kValueEnd)}};
}

}  // namespace tool_format_glm45

const ToolFormatDef& glm45_tool_format() {
  using namespace tool_format_glm45;
  static const ToolFormatDef def = {
      .name = "glm45",
      .claims =
          [](std::string_view text) {
            return text.find(kOpen) != text.npos && text.find(kKey) != text.npos &&
                   text.find(kValue) != text.npos;
          },
      .marks = {kOpen, kClose, kKey, kKeyEnd, kValue, kValueEnd},
      .make =
          [](ToolSink& sink) {
            return std::unique_ptr<ToolParser>(std::make_unique<Parser>(sink));
          },
      .form = form,
      .refines = "hermes"};
  return def;
}

}  // namespace ingot
