// <tool_call><function=NAME><parameter=KEY>VALUE</parameter>…</function></tool_call>, each mark on
// a line of its own: Qwen3-Coder, Qwen 3.5, Nemotron 3, Step 3.5. A value has no quotes and no
// escapes; the tool's schema tells a text from JSON. Some models leave <tool_call> out.
#include <fmt/format.h>

#include <algorithm>

#include "server/tool_content.h"
#include "server/tool_format.h"
#include "server/tool_json.h"
#include "server/tool_marks.h"
#include "server/tool_values.h"
#include "server/value_reader.h"

namespace ingot {
namespace tool_format_qwen3_coder {

constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";
constexpr std::string_view kFunction = "<function=";
constexpr std::string_view kFunctionEnd = "</function>";
constexpr std::string_view kParameter = "<parameter=";
constexpr std::string_view kParameterEnd = "</parameter>";

// Whether a value ends before `text`: only what goes on as a call does ends it, for a value may be
// a text about calls.
Mark value_end(std::string_view text) {
  if (text.starts_with('\n')) text.remove_prefix(1);
  if (const Mark mark = mark_at(text, {kParameterEnd}); mark != Mark::kThere) return mark;
  const std::string_view behind = text.substr(kParameterEnd.size());
  if (behind.size() > kMostHeld) return Mark::kThere;
  return mark_at(without_blank(behind), {kParameter, kFunctionEnd, kClose});
}

class Parser final : public ToolParser {
 public:
  explicit Parser(ToolSink& sink) : sink_(sink), content_(sink), value_(sink) {}

  void push(std::string_view text) override {
    for (const char c : text) one(c);
    if (at_ != At::kText) return;
    const size_t function = sink_.held() ? 0 : held_back(held_, kFunction);
    content_.say(held_, held_.size() - std::max(held_back(held_, kOpen), function));
  }

  void end() override {
    const bool ended = held_.find(kParameterEnd) != held_.npos;
    if (at_ == At::kText) content_.say(held_, held_.size());
    if (at_ == At::kOpened || at_ == At::kName) sink_.content(before_ + held_);
    if (at_ == At::kValue && ended) finish_value();
    if (at_ == At::kValue) value_.cut(held_);
  }

 private:
  enum class At {
    kText,
    kOpened,  // behind <tool_call>
    kName,    // of the function
    kCall,    // between parameters
    kKey,
    kValue,
    kBehind,  // behind a call
  };

  void one(char c) {
    held_ += c;
    if (at_ == At::kText) return text();
    if (at_ == At::kOpened) return opened();
    if (at_ == At::kName) return name();
    if (at_ == At::kCall) return call();
    if (at_ == At::kKey) return key();
    if (at_ == At::kValue) return value();
    behind();
  }

  // Takes held_ as if it came anew.
  void again(At at) {
    at_ = at;
    const std::string text = std::exchange(held_, {});
    for (const char c : text) one(c);
  }

  void text() {
    const bool bare = !sink_.held() && held_.ends_with(kFunction);
    if (!bare && !held_.ends_with(kOpen)) return;
    before_ = bare ? kFunction : kOpen;
    held_.resize(held_.size() - before_.size());
    content_.say(held_, held_.size());
    held_.clear();
    bare_ = bare;
    at_ = bare ? At::kName : At::kOpened;
  }

  // No call: before_ and held_ are text.
  void no_call() {
    held_.insert(0, before_);
    at_ = At::kText;
  }

  void opened() {
    const std::string_view rest = without_blank(held_);
    const Mark mark = mark_at(rest, {kFunction});
    const bool exact = held_ == std::string("\n").append(kFunction);
    if (mark == Mark::kThere && (exact || !sink_.held())) {
      before_ += held_;
      held_.clear();
      at_ = At::kName;
    } else if (mark != Mark::kMore || held_.size() > kMostHeld) {
      no_call();
    }
  }

  void name() {
    const char c = held_.back();
    if (c == '\n' || c == '<') return no_call();
    if (c != '>') return;
    held_.pop_back();
    const bool known = sink_.offers(held_);
    if (held_.empty() || (!known && (bare_ || sink_.held()))) {
      held_ += c;
      return no_call();
    }
    name_ = std::exchange(held_, {});
    strict_ = sink_.strict(name_);
    sink_.begin_call(name_);
    sink_.arguments("{");
    parameters_ = 0;
    at_ = At::kCall;
  }

  void call() {
    const std::string_view rest = without_blank(held_);
    const Mark mark = mark_at(rest, {kParameter, kFunctionEnd, kClose});
    if (mark == Mark::kMore && held_.size() <= kMostHeld) return;
    if (rest.starts_with(kParameter)) {
      held_.clear();
      at_ = At::kKey;
      return;
    }
    sink_.arguments("}");
    content_.call_ended();
    if (rest.starts_with(kFunctionEnd)) {
      held_.clear();
      at_ = At::kBehind;
    } else {
      again(At::kBehind);
    }
  }

  void key() {
    const char c = held_.back();
    if (c == '>' && held_.size() > 1) {
      held_.pop_back();
      if (parameters_++ > 0) sink_.arguments(", ");
      sink_.arguments("\"" + json_escaped(held_) + "\": ");
      value_.begin(value_kind(sink_.parameters(name_), held_), strict_);
      held_.clear();
      started_ = false;
      at_ = At::kValue;
    } else if (c == '>' || c == '\n' || c == '<') {
      held_.insert(0, kParameter);
      sink_.arguments("}");
      content_.call_ended();
      again(At::kText);
    }
  }

  void value() {
    if (!started_) {
      started_ = true;
      if (held_ == "\n") return held_.clear();
    }
    if (value_.take(held_, value_end)) finish_value();
  }

  // held_ is the end of the value and what follows.
  void finish_value() {
    value_.end();
    held_.erase(0, held_.find(kParameterEnd) + kParameterEnd.size());
    again(At::kCall);
  }

  // White space, the closing mark and another function of the same call.
  void behind() {
    const std::string_view rest = without_blank(held_);
    if (rest == kClose) {
      held_.clear();
      at_ = At::kText;
    } else if (rest == kFunction && !sink_.held()) {
      before_ = std::exchange(held_, {});
      bare_ = true;
      at_ = At::kName;
    } else if (held_.size() > kMostHeld ||
               mark_at(rest, {kClose, kFunction, kOpen}) != Mark::kMore) {
      again(At::kText);
    }
  }

  ToolSink& sink_;
  ToolContent content_;
  At at_ = At::kText;
  std::string held_;    // what is not yet said, of the part that at_ names
  std::string before_;  // the marks of a call that has no name yet
  std::string name_;
  ValueReader value_;
  int parameters_ = 0;
  bool bare_ = false;     // no <tool_call> stood before the function
  bool strict_ = false;   // the call's arguments are of their schema
  bool started_ = false;  // some of the value has come
};

CallForm form(std::string_view name, std::string_view) {
  return {.separator = "\n",
          .begin = fmt::format("{}\n{}{}>\n", kOpen, kFunction, name),
          .end = fmt::format("{}\n{}", kFunctionEnd, kClose),
          .trigger = std::string(kOpen),
          .members = MemberForm{.begin = std::string(kParameter),
                                .middle = ">\n",
                                .end = fmt::format("\n{}\n", kParameterEnd),
                                .names = "[^<>\\n]+",
                                .no_text = fmt::format("[\\s\\S]*{}[\\s\\S]*", kParameterEnd)}};
}

}  // namespace tool_format_qwen3_coder

const ToolFormatDef& qwen3_coder_tool_format() {
  using namespace tool_format_qwen3_coder;
  static const ToolFormatDef def = {
      .name = "qwen3_coder",
      .claims =
          [](std::string_view text) {
            return text.find(kOpen) != text.npos && text.find(kFunction) != text.npos &&
                   text.find(kParameter) != text.npos;
          },
      .marks = {kOpen, kClose},
      .make =
          [](ToolSink& sink) {
            return std::unique_ptr<ToolParser>(std::make_unique<Parser>(sink));
          },
      .form = form,
      .refines = "hermes"};
  return def;
}

}  // namespace ingot
