// {"name": …, "parameters": …} as the whole answer, with or without <|python_tag|> before it; more
// calls follow behind ';': Llama 3.1 to 3.3.
#include <fmt/format.h>

#include <optional>

#include "server/tool_format.h"
#include "server/tool_json.h"

namespace ingot {
namespace tool_format_llama3 {

constexpr std::string_view kTag = "<|python_tag|>";
constexpr std::string_view kBegin = "{\"name\": \"";

class Parser final : public ToolParser {
 public:
  explicit Parser(ToolSink& sink) : sink_(sink) {}

  void push(std::string_view text) override {
    for (size_t i = 0; i < text.size(); ++i) {
      if (plain_) {
        sink_.content(text.substr(i));
        return;
      }
      one(text[i]);
    }
  }

  void end() override {
    if (call_ && !call_->begun()) sink_.content(held_ + call_->text());
    if (!call_ && !plain_ && held_.find_first_not_of(kJsonSpace) != held_.npos)
      sink_.content(held_);
  }

 private:
  void one(char c) {
    if (call_) {
      inside(c);
      return;
    }
    // Between calls and before the first: white space, ';' and the tag.
    const size_t first = std::min(held_.find_first_not_of(kJsonSpace), held_.size());
    const std::string text = held_.substr(first) + c;
    if (c == '{' && (text.size() == 1 || held_.substr(first) == kTag || calls_ > 0)) {
      call_.emplace(sink_, !held_.ends_with(kTag), sink_.held() ? kBegin : "");
      call_->push(c);
      return;
    }
    held_ += c;
    const bool blank = kJsonSpace.find(c) != kJsonSpace.npos && held_.size() <= kMostHeld;
    if (blank || kTag.starts_with(text) || (calls_ > 0 && text == ";")) return;
    plain_ = true;
    sink_.content(held_);
  }

  void inside(char c) {
    const JsonStep step = call_->push(c);
    if (step == JsonStep::kMore) return;
    if (call_->begun()) {
      ++calls_;
    } else {
      plain_ = true;
      sink_.content(held_ + call_->text());
    }
    held_.clear();
    call_.reset();
  }

  ToolSink& sink_;
  std::optional<ToolCallReader> call_;
  std::string held_;
  int calls_ = 0;
  bool plain_ = false;  // no call comes any more
};

CallForm form(std::string_view name, std::string_view) {
  return {.separator = "; ",
          .begin = fmt::format("{}{}\", \"parameters\": ", kBegin, name),
          .end = "}",
          .trigger = std::string(kBegin)};
}

bool claims(std::string_view text) {
  return text.find(kTag) != text.npos ||
         (text.find("ipython") != text.npos && text.find("parameters") != text.npos);
}

}  // namespace tool_format_llama3

const ToolFormatDef& llama3_tool_format() {
  using namespace tool_format_llama3;
  static const ToolFormatDef def = {
      .name = "llama3",
      .claims = claims,
      .marks = {kTag},
      .make =
          [](ToolSink& sink) {
            return std::unique_ptr<ToolParser>(std::make_unique<Parser>(sink));
          },
      .form = form,
      .openings = {"{", kTag}};
  return def;
}

}  // namespace ingot
