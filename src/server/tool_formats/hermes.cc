// <tool_call>{"name": …, "arguments": …}</tool_call>: Hermes, Qwen 2.5 and 3, and many after them;
// SmolLM2 was trained to write a list of such objects between the marks.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "server/tool_content.h"
#include "server/tool_format.h"
#include "server/tool_json.h"
#include "server/tool_marks.h"

namespace ingot {
namespace tool_format_hermes {

constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";

class Parser final : public ToolParser {
 public:
  explicit Parser(ToolSink& sink) : sink_(sink), content_(sink) {}

  void push(std::string_view text) override {
    for (const char c : text) one(c);
    if (at_ == At::kText) content_.say(held_, held_.size() - held_back(held_, kOpen));
  }

  void end() override {
    if (at_ == At::kOpened) sink_.content(std::string(kOpen) + held_);
    if (at_ == At::kCall && !call_->begun()) sink_.content(held_ + call_->text());
    if (at_ == At::kText) content_.say(held_, held_.size());
  }

 private:
  enum class At {
    kText,
    kOpened,  // behind the mark: held_ is what came since
    kCall,    // held_ is what came before the object and is no content if that is a call
    kBehind,  // behind a call: held_ is what came since
  };

  void one(char c) {
    if (at_ == At::kCall) return inside(c);
    held_ += c;
    if (at_ == At::kOpened) return opened(c);
    if (at_ == At::kBehind) behind(c);
    if (!held_.ends_with(kOpen)) return;
    held_.resize(held_.size() - kOpen.size());
    content_.say(held_, held_.size());
    held_.clear();
    at_ = At::kOpened;
    in_list_ = false;
  }

  void opened(char c) {
    if (is_blank({&c, 1})) return;
    if (c == '[' && !in_list_) {
      in_list_ = true;
    } else if (c == '{') {
      held_.insert(0, kOpen);
      begin();
    } else {
      held_.insert(0, kOpen);
      at_ = At::kText;
    }
  }

  // The last of held_ is the object's first.
  void begin() {
    held_.pop_back();
    call_.emplace(sink_);
    call_->push('{');
    at_ = At::kCall;
  }

  void inside(char c) {
    const JsonStep step = call_->push(c);
    if (step == JsonStep::kMore) return;
    const bool begun = call_->begun();
    if (begun) {
      content_.call_ended();
    } else {
      content_.say(held_ + call_->text());
    }
    held_.clear();
    call_.reset();
    at_ = begun ? At::kBehind : At::kText;
    // What broke the object off may be the mark that ends it.
    if (begun && step == JsonStep::kBad) one(c);
  }

  // White space, the rest of a list and the closing mark go; anything else is text.
  void behind(char c) {
    if (in_list_) {
      const size_t more = held_.find_first_not_of(" \n\t\r,");
      if (more == held_.npos && held_.size() <= kMostHeld) return;
      if (more + 1 == held_.size() && c == '{') return begin();
      in_list_ = false;
      if (more + 1 == held_.size() && c == ']') return held_.clear();
    }
    const std::string_view text = without_blank(held_);
    if (text == kClose) {
      held_.clear();
      at_ = At::kText;
    } else if (held_.size() > kMostHeld ||
               (!kClose.starts_with(text) && !kOpen.starts_with(text))) {
      at_ = At::kText;
    }
  }

  ToolSink& sink_;
  ToolContent content_;
  std::optional<ToolCallReader> call_;
  std::string held_;
  At at_ = At::kText;
  bool in_list_ = false;  // the objects between the marks stand in a list
};

CallForm form(std::string_view name, std::string_view) {
  return {.separator = "\n",
          .begin = fmt::format("{}\n{{\"name\": \"{}\", \"arguments\": ", kOpen, name),
          .end = fmt::format("}}\n{}", kClose),
          .trigger = std::string(kOpen)};
}

}  // namespace tool_format_hermes

const ToolFormatDef& hermes_tool_format() {
  using namespace tool_format_hermes;
  static const ToolFormatDef def = {
      .name = "hermes",
      .claims = [](std::string_view text) { return text.find(kOpen) != text.npos; },
      .marks = {kOpen, kClose},
      .make =
          [](ToolSink& sink) {
            return std::unique_ptr<ToolParser>(std::make_unique<Parser>(sink));
          },
      .form = form};
  return def;
}

}  // namespace ingot
