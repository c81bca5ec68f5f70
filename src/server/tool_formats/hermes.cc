// <tool_call>{"name": …, "arguments": …}</tool_call>: Hermes, Qwen 2.5 and 3, and many after them.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "server/tool_format.h"
#include "server/tool_json.h"

namespace ingot {
namespace tool_format_hermes {

constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";

class Parser final : public ToolParser {
 public:
  explicit Parser(ToolSink& sink) : sink_(sink) {}

  void push(std::string_view text) override {
    for (const char c : text) one(c);
    if (!call_ && !closing_) say(held_.size() - held_back(held_, kOpen));
  }

  void end() override {
    if (call_) {
      if (!call_->begun()) sink_.content(std::string(kOpen) + call_->text());
    } else if (!closing_) {
      say(held_.size());
    }
  }

 private:
  void one(char c) {
    if (call_) {
      inside(c);
      return;
    }
    held_ += c;
    if (closing_) close();
    if (!held_.ends_with(kOpen)) return;
    held_.resize(held_.size() - kOpen.size());
    say(held_.size());
    held_.clear();
    closing_ = false;
    call_.emplace(sink_);
  }

  void inside(char c) {
    const JsonStep step = call_->push(c);
    if (step == JsonStep::kMore) return;
    closing_ = call_->begun();
    after_call_ = after_call_ || closing_;
    if (!closing_) sink_.content(std::string(kOpen) + call_->text());
    call_.reset();
  }

  // Behind a call: white space and the closing mark go; anything else is text.
  void close() {
    const size_t first = std::min(held_.find_first_not_of(kBlank), held_.size());
    const std::string_view text = std::string_view(held_).substr(first);
    if (text == kClose) {
      held_.clear();
      closing_ = false;
    } else if (!kClose.starts_with(text) && !kOpen.starts_with(text)) {
      closing_ = false;
    }
  }

  // White space alone, before a call or between two, is no content.
  void say(size_t size) {
    const std::string_view text = std::string_view(held_).substr(0, size);
    const bool blank = text.find_first_not_of(kBlank) == text.npos;
    if (text.empty() || (blank && (after_call_ || !spoken_))) return;
    sink_.content(text);
    spoken_ = true;
    after_call_ = false;
    held_.erase(0, size);
  }

  static constexpr std::string_view kBlank = " \n\t\r";
  ToolSink& sink_;
  std::optional<ToolCallReader> call_;
  std::string held_;
  bool closing_ = false;     // a call has ended, its mark has not come
  bool after_call_ = false;  // nothing was said since
  bool spoken_ = false;
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
