#include "server/tool_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "server/tool_json.h"

namespace ingot {
namespace {

class ListParser final : public ToolParser {
 public:
  ListParser(ToolSink& sink, std::string_view open, std::string_view close)
      : sink_(sink), open_(open), close_(close) {}

  void push(std::string_view text) override {
    for (const char c : text) one(c);
    if (at_ == At::kText) say(held_.size() - held_back(held_, open_));
  }

  void end() override {
    if (at_ == At::kText) say(held_.size());
    const bool opened = at_ == At::kOpened || (at_ == At::kList && !mark_.empty());
    if (opened && !call_) sink_.content(mark_ + held_);
    if (call_ && !call_->begun()) sink_.content(mark_ + held_ + call_->text());
  }

 private:
  enum class At {
    kText,
    kOpened,  // behind the mark
    kList,    // in the list, between calls; held_ is what came since the last one
    kBehind,  // behind all calls
  };

  void one(char c) {
    if (call_) return inside(c);
    held_ += c;
    if (at_ == At::kText) {
      text();
    } else if (at_ == At::kOpened) {
      opened(c);
    } else if (at_ == At::kList) {
      list(c);
    } else {
      behind();
    }
  }

  void text() {
    if (!held_.ends_with(open_)) return;
    held_.resize(held_.size() - open_.size());
    say(held_.size());
    held_.clear();
    mark_ = open_;
    in_list_ = open_.ends_with('[');
    at_ = in_list_ ? At::kList : At::kOpened;
  }

  // mark_ and held_ are text.
  void no_call() {
    held_.insert(0, mark_);
    mark_.clear();
    at_ = At::kText;
  }

  void opened(char c) {
    if (kJsonSpace.find(c) != kJsonSpace.npos && held_.size() <= kMostHeld) return;
    in_list_ = c == '[';
    if (in_list_) {
      at_ = At::kList;
    } else if (c == '{') {
      begin();
    } else {
      no_call();
    }
  }

  void list(char c) {
    const bool lies_between = c == ',' || kJsonSpace.find(c) != kJsonSpace.npos;
    if (lies_between && held_.size() <= kMostHeld) return;
    if (c == '{') {
      begin();
    } else if (c == ']' && mark_.empty()) {
      held_.clear();
      at_ = At::kBehind;
    } else {
      no_call();
    }
  }

  // The last of held_ is the object's first.
  void begin() {
    held_.pop_back();
    call_.emplace(sink_);
    call_->push('{');
  }

  void inside(char c) {
    const JsonStep step = call_->push(c);
    if (step == JsonStep::kMore) return;
    const bool begun = call_->begun();
    if (begun) {
      mark_.clear();
      held_.clear();
      after_call_ = true;
      at_ = in_list_ && step == JsonStep::kDone ? At::kList : At::kBehind;
    } else {
      held_ += call_->text();
      no_call();
    }
    call_.reset();
    if (begun && step == JsonStep::kBad) one(c);
  }

  void behind() {
    const size_t first = std::min(held_.find_first_not_of(kJsonSpace), held_.size());
    const std::string_view rest = std::string_view(held_).substr(first);
    if (!close_.empty() && rest == close_) {
      held_.clear();
      at_ = At::kText;
    } else if (held_.size() > kMostHeld || !close_.starts_with(rest)) {
      at_ = At::kText;
      for (const char c : std::exchange(held_, {})) one(c);
    }
  }

  // White space alone, before a call or behind one, is no content.
  void say(size_t size) {
    const std::string_view text = std::string_view(held_).substr(0, size);
    const bool blank = text.find_first_not_of(kJsonSpace) == text.npos;
    if (text.empty() || ((after_call_ || !spoken_) && size <= kMostHeld && blank)) return;
    sink_.content(text);
    spoken_ = true;
    after_call_ = false;
    held_.erase(0, size);
  }

  ToolSink& sink_;
  const std::string_view open_, close_;
  std::optional<ToolCallReader> call_;
  At at_ = At::kText;
  std::string mark_;  // the mark, until a call behind it is sure
  std::string held_;
  bool in_list_ = false;
  bool after_call_ = false;  // nothing was said since
  bool spoken_ = false;
};

}  // namespace

std::unique_ptr<ToolParser> make_list_parser(ToolSink& sink, std::string_view open,
                                             std::string_view close) {
  return std::make_unique<ListParser>(sink, open, close);
}

CallForm list_form(std::string_view name, std::string_view open, std::string_view close) {
  return {.open = fmt::format("{}{}", open, open.ends_with('[') ? "" : "["),
          .close = fmt::format("]{}", close),
          .separator = ", ",
          .begin = fmt::format("{{\"name\": \"{}\", \"arguments\": ", name),
          .end = "}",
          .trigger = std::string(open)};
}

}  // namespace ingot
