// [TOOL_CALLS][{"name": …, "arguments": …}, …] of Mistral's tokenizers to version 7, and
// [TOOL_CALLS]name[CALL_ID]id[ARGS]{…} of the later ones.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "server/tool_format.h"
#include "server/tool_json.h"

namespace ingot {
namespace tool_format_mistral {

constexpr std::string_view kOpen = "[TOOL_CALLS]";
constexpr std::string_view kId = "[CALL_ID]";
constexpr std::string_view kArguments = "[ARGS]";

class Parser final : public ToolParser {
 public:
  explicit Parser(ToolSink& sink) : sink_(sink) {}

  void push(std::string_view text) override {
    for (const char c : text) one(c);
    if (at_ == At::kText) say(held_.size() - held_back(held_, kOpen));
  }

  void end() override {
    if (at_ == At::kText) say(held_.size());
    if (at_ == At::kArguments && !span_.started()) sink_.arguments("{}");
    if (at_ == At::kOpened || at_ == At::kName) sink_.content(std::string(kOpen) + held_);
    if (call_ && !call_->begun()) sink_.content(std::string(kOpen) + held_ + call_->text());
  }

 private:
  enum class At { kText, kOpened, kList, kName, kArguments };

  void one(char c) {
    if (call_) {
      inside(c);
    } else if (at_ == At::kArguments) {
      arguments(c);
    } else {
      held_ += c;
      if (at_ == At::kText)
        text();
      else if (at_ == At::kOpened)
        opened(c);
      else if (at_ == At::kList)
        list(c);
      else
        name();
    }
  }

  void text() {
    if (!held_.ends_with(kOpen)) return;
    say(held_.size() - kOpen.size());
    held_.clear();
    at_ = At::kOpened;
  }

  void opened(char c) {
    if (kJsonSpace.find(c) != kJsonSpace.npos) return;
    at_ = c == '[' ? At::kList : At::kName;
  }

  void list(char c) {
    if (c == '{') {
      held_.pop_back();
      call_.emplace(sink_);
      call_->push(c);
    } else if (c == ']') {
      held_.clear();
      at_ = At::kText;
    } else if (c != ',' && kJsonSpace.find(c) == kJsonSpace.npos) {
      fall_back();
    }
  }

  void name() {
    constexpr size_t kMost = 512;
    const bool braced = held_.back() == '{';
    if (!braced && !held_.ends_with(kArguments)) {
      if (held_.size() > kMost || held_.back() == '\n') fall_back();
      return;
    }
    std::string name = held_.substr(0, std::min(held_.find('['), held_.find('{')));
    name.erase(0, std::min(name.find_first_not_of(kJsonSpace), name.size()));
    name.erase(std::min(name.find_last_not_of(kJsonSpace) + 1, name.size()));
    if (name.empty()) return fall_back();
    sink_.begin_call(name);
    held_.clear();
    at_ = At::kArguments;
    span_ = {};
    if (braced) arguments('{');
  }

  void arguments(char c) {
    if (!span_.started() && kJsonSpace.find(c) != kJsonSpace.npos) return;
    if (!span_.started() && c != '{') {
      sink_.arguments("{}");
      at_ = At::kText;
      return one(c);
    }
    const JsonStep step = span_.push(c);
    if (step != JsonStep::kBad) sink_.arguments(std::string_view(&c, 1));
    if (step != JsonStep::kMore) at_ = At::kText;
  }

  void inside(char c) {
    const JsonStep step = call_->push(c);
    if (step == JsonStep::kMore) return;
    const bool begun = call_->begun();
    if (!begun) sink_.content(std::string(kOpen) + held_ + call_->text());
    if (step == JsonStep::kBad) at_ = At::kText;
    held_.clear();
    call_.reset();
  }

  void fall_back() {
    sink_.content(std::string(kOpen) + held_);
    held_.clear();
    at_ = At::kText;
  }

  void say(size_t size) {
    const std::string_view text = std::string_view(held_).substr(0, size);
    if (!spoken_ && size <= kMostHeld && text.find_first_not_of(kJsonSpace) == text.npos) return;
    if (!text.empty()) sink_.content(text);
    spoken_ = spoken_ || !text.empty();
    held_.erase(0, size);
  }

  ToolSink& sink_;
  std::optional<ToolCallReader> call_;
  JsonSpan span_;
  At at_ = At::kText;
  std::string held_;
  bool spoken_ = false;
};

CallForm form(std::string_view name, std::string_view chat_template) {
  const std::string mark(kOpen);
  if (chat_template.find(kArguments) != chat_template.npos) {
    return {.begin = fmt::format("{}{}{}", kOpen, name, kArguments), .trigger = mark};
  }
  return {.open = mark + "[",
          .close = "]",
          .separator = ", ",
          .begin = fmt::format("{{\"name\": \"{}\", \"arguments\": ", name),
          .end = "}",
          .trigger = mark};
}

}  // namespace tool_format_mistral

const ToolFormatDef& mistral_tool_format() {
  using namespace tool_format_mistral;
  static const ToolFormatDef def = {
      .name = "mistral",
      .claims = [](std::string_view text) { return text.find(kOpen) != text.npos; },
      .marks = {kOpen, kId, kArguments},
      .make =
          [](ToolSink& sink) {
            return std::unique_ptr<ToolParser>(std::make_unique<Parser>(sink));
          },
      .form = form,
      .id_size = 9};
  return def;
}

}  // namespace ingot
