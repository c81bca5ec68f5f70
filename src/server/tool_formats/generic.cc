// Of models whose chat template has no form for tools: they are told to write calls as Hermes' do.
// An answer that begins with such an object or a list of them, with no marks or as a block of
// Markdown, is read too, unless calls are held to a form.
#include <optional>

#include "server/tool_format.h"
#include "server/tool_json.h"
#include "server/tool_marks.h"

namespace ingot {

const ToolFormatDef& hermes_tool_format();

namespace tool_format_generic {

constexpr std::string_view kFence = "```";
constexpr std::string_view kLanguage = "json";
constexpr std::string_view kClose = "</tool_call>";

class Parser final : public ToolParser {
 public:
  explicit Parser(ToolSink& sink)
      : sink_(sink),
        marked_(hermes_tool_format().make(sink)),
        at_(sink.held() ? At::kMarked : At::kBare) {}

  void push(std::string_view text) override {
    for (size_t i = 0; i < text.size(); ++i) {
      if (at_ == At::kMarked) {
        marked_->push(text.substr(i));
        return;
      }
      one(text[i]);
    }
  }

  void end() override {
    if (call_) {
      if (!call_->begun()) marked_->push(held_ + call_->text());
    } else if (calls_ == 0 || !could_lie_between(held_)) {
      marked_->push(held_);
    }
    marked_->end();
  }

 private:
  enum class At { kBare, kMarked };

  void one(char c) {
    if (call_) {
      inside(c);
      return;
    }
    if (c == '{' && is_before(held_)) {
      call_.emplace(sink_, true);
      call_->push(c);
      return;
    }
    held_ += c;
    const bool hopeful = calls_ == 0 ? could_open(held_) : could_lie_between(held_);
    if (!hopeful || held_.size() > kMostHeld) hand_over(held_);
  }

  void inside(char c) {
    const JsonStep step = call_->push(c);
    if (step == JsonStep::kMore) return;
    if (call_->begun()) {
      ++calls_;
    } else {
      hand_over(held_ + call_->text());
    }
    held_.clear();
    call_.reset();
  }

  // From here on calls have marks.
  void hand_over(const std::string& text) {
    at_ = At::kMarked;
    marked_->push(text);
    held_.clear();
  }

  // Whether an object behind `text` may be a call.
  bool is_before(std::string_view text) const {
    if (calls_ > 0) return behind_calls(text).empty();
    std::string_view rest = without_blank(text);
    if (rest.starts_with(kFence)) rest.remove_prefix(kFence.size());
    if (rest.starts_with(kLanguage)) rest.remove_prefix(kLanguage.size());
    return is_list_or_none(rest);
  }

  // What opens a list of calls, or nothing.
  static bool is_list_or_none(std::string_view text) {
    const std::string_view rest = without_blank(text);
    return rest.empty() || (rest[0] == '[' && without_blank(rest.substr(1)).empty());
  }

  // Whether `text` may become what is_before() takes.
  static bool could_open(std::string_view text) {
    std::string_view rest = without_blank(text);
    if (kFence.starts_with(rest) || is_list_or_none(rest)) return true;
    if (!rest.starts_with(kFence)) return false;
    rest.remove_prefix(kFence.size());
    if (kLanguage.starts_with(rest)) return true;
    if (rest.starts_with(kLanguage)) rest.remove_prefix(kLanguage.size());
    return is_list_or_none(rest);
  }

  // `text` behind a call without what says nothing: blanks, what separates calls, the ends of a
  // list, of a fence and of marks that never began.
  static std::string_view behind_calls(std::string_view text) {
    while (true) {
      text.remove_prefix(std::min(text.find_first_not_of(" \n\t\r,;`]"), text.size()));
      if (!text.starts_with(kClose)) return text;
      text.remove_prefix(kClose.size());
    }
  }

  static bool could_lie_between(std::string_view text) {
    return kClose.starts_with(behind_calls(text));
  }

  ToolSink& sink_;
  const std::unique_ptr<ToolParser> marked_;
  At at_;
  std::optional<ToolCallReader> call_;
  std::string held_;
  int calls_ = 0;
};

}  // namespace tool_format_generic

const ToolFormatDef& generic_tool_format() {
  using namespace tool_format_generic;
  static const ToolFormatDef def = {
      .name = "generic",
      .claims = nullptr,
      .marks = hermes_tool_format().marks,
      .make =
          [](ToolSink& sink) {
            return std::unique_ptr<ToolParser>(std::make_unique<Parser>(sink));
          },
      .form = hermes_tool_format().form};
  return def;
}

}  // namespace ingot
