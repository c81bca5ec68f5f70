// [f(a=1, b="x"), g()] as the whole answer: Llama 3.2 and 4, Gemma 3 and ToolACE with templates
// that ask for it. Values are Python's literals.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "server/python_literal.h"
#include "server/tool_format.h"
#include "server/tool_json.h"
#include "server/tool_values.h"

namespace ingot {
namespace tool_format_pythonic {

constexpr std::string_view kTags[] = {"<|python_start|>", "<|python_tag|>"};
constexpr std::string_view kEndTag = "<|python_end|>";

bool is_name_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-' || c == '.' || c == '$';
}

// What stands before '=', where `argument` begins with a name and '='; else empty.
std::string_view key_of(std::string_view argument) {
  const auto end = std::ranges::find_if_not(argument, is_name_char);
  const size_t size = static_cast<size_t>(end - argument.begin());
  return trim_space(argument.substr(size)).starts_with('=') ? argument.substr(0, size) : "";
}

std::string literal_json(std::string_view text) {
  if (Json::accept(text)) return std::string(text);
  if (auto json = python_literal_json(text)) return *std::move(json);
  return value_json(ValueKind::kText, text);  // a variable, a sum
}

class Parser final : public ToolParser {
 public:
  explicit Parser(ToolSink& sink) : sink_(sink) {}

  void push(std::string_view text) override {
    for (size_t i = 0; i < text.size(); ++i) {
      if (at_ == At::kText) {
        sink_.content(text.substr(i));
        return;
      }
      one(text[i]);
    }
  }

  void end() override {
    if (calls_ == 0 && at_ != At::kText && !trim_space(held_).empty()) sink_.content(held_);
  }

 private:
  enum class At {
    kStart,
    kName,      // of a function; held_ is what came since the last call
    kArgument,  // held_ is what came of it
    kBetween,   // behind a function
    kBehind,    // behind the list
    kText,      // no call comes any more
  };

  void one(char c) {
    held_ += c;
    if (at_ == At::kStart) return start();
    if (at_ == At::kName) return name(c);
    if (at_ == At::kArgument) return argument(c);
    if (at_ == At::kBetween) return between();
    behind();
  }

  void give_up() {
    at_ = At::kText;
    sink_.content(held_);
    held_.clear();
  }

  void start() {
    std::string_view text = trim_space(held_);
    if (text.empty() && held_.size() <= kMostHeld) return;
    for (const std::string_view tag : kTags) {
      if (tag.starts_with(text) && !text.empty()) return;
      if (text.starts_with(tag)) text = trim_space(text.substr(tag.size()));
    }
    if (text.empty() && held_.size() <= kMostHeld) return;
    if (text != "[") return give_up();
    at_ = At::kName;
    name_.clear();
  }

  void name(char c) {
    if (is_name_char(c)) {
      name_ += c;
    } else if (c == '(' && !name_.empty() && sink_.offers(name_)) {
      held_.clear();
      sink_.begin_call(name_);
      sink_.arguments("{");
      ++calls_;
      arguments_ = 0;
      order_.reset();
      given_.clear();
      open_.clear();
      at_ = At::kArgument;
    } else if (kJsonSpace.find(c) == kJsonSpace.npos || !name_.empty() ||
               held_.size() > kMostHeld) {
      give_up();
    }
  }

  void argument(char c) {
    if (quote_ != 0) return quoted(c);
    if (c == '"' || c == '\'') {
      quote_ = c;
      triple_ = empty_end_ > 0 && held_.size() == empty_end_ + 1 && held_[empty_end_ - 1] == c;
      opened_ = held_.size();
    }
    if (open_.empty() && (c == ',' || c == ')')) return finish_argument(c);
    if (c == '(' || c == '[' || c == '{') open_ += c;
    if ((c == ')' || c == ']' || c == '}') && !open_.empty()) open_.pop_back();
  }

  // Within a string, which ends with what it began with: one mark, or three.
  void quoted(char c) {
    if (escaped_) {
      escaped_ = false;
      return;
    }
    escaped_ = c == '\\';
    if (c != quote_) return;
    const size_t size = triple_ ? 3 : 1;
    const std::string_view text = std::string_view(held_).substr(opened_);
    if (text.size() < size || !text.ends_with(std::string(size, c))) return;
    quote_ = 0;
    empty_end_ = text.size() == size && !triple_ ? held_.size() : 0;  // one more opens three
  }

  void finish_argument(char c) {
    held_.pop_back();
    const std::string_view text = trim_space(held_);
    if (!text.empty()) {
      std::string key(key_of(text));
      std::string_view value = text;
      if (key.empty()) {
        key = place_name();
      } else {
        value = trim_space(text.substr(text.find('=') + 1));
      }
      // Of a name that is given twice the first stays.
      if (given_.insert(key).second) {
        sink_.arguments(fmt::format("{}\"{}\": {}", arguments_ > 0 ? ", " : "", json_escaped(key),
                                    literal_json(value)));
        ++arguments_;
      }
    }
    held_.clear();
    empty_end_ = 0;
    if (c == ',') return;
    sink_.arguments("}");
    at_ = At::kBetween;
  }

  // The name of an argument that is given by its place alone: the first that is not given yet.
  std::string place_name() {
    if (!order_) {
      order_ = value_kinds(sink_.parameters(name_)).names;
      next_ = 0;
    }
    while (next_ < order_->size() && given_.contains((*order_)[next_].first)) ++next_;
    return next_ < order_->size() ? (*order_)[next_].first : std::to_string(arguments_);
  }

  void between() {
    const std::string_view text = trim_space(held_);
    if (text.empty() && held_.size() <= kMostHeld) return;
    if (text == ",") {
      name_.clear();
      at_ = At::kName;
    } else if (text == "]") {
      held_.clear();
      at_ = At::kBehind;
    } else {
      give_up();
    }
  }

  void behind() {
    const std::string_view text = trim_space(held_);
    if (text == kEndTag) return held_.clear();
    if (!kEndTag.starts_with(text) || held_.size() > kMostHeld) give_up();
  }

  ToolSink& sink_;
  At at_ = At::kStart;
  std::string held_, name_;
  std::string open_;  // brackets of the argument that are not closed
  char quote_ = 0;    // of the string that the argument is in
  bool triple_ = false;
  size_t opened_ = 0;     // where it began in held_
  size_t empty_end_ = 0;  // where in held_ an empty string has just ended
  bool escaped_ = false;
  size_t calls_ = 0, arguments_ = 0;
  std::set<std::string> given_;  // names of the call's arguments
  std::optional<std::vector<std::pair<std::string, ValueKind>>> order_;  // of its tool's
  size_t next_ = 0;
};

CallForm form(std::string_view name, std::string_view) {
  return {.open = "[",
          .close = "]",
          .separator = ", ",
          .begin = fmt::format("{}(", name),
          .end = ")",
          .trigger = "[",
          .members = MemberForm{
              .middle = "=", .separator = ", ", .names = "[A-Za-z0-9_$][A-Za-z0-9_.$\\-]*"}};
}

}  // namespace tool_format_pythonic

const ToolFormatDef& pythonic_tool_format() {
  using namespace tool_format_pythonic;
  static const ToolFormatDef def = {
      .name = "pythonic",
      .claims = [](std::string_view text) { return text.find("[func_name1(") != text.npos; },
      .marks = {kTags[0], kTags[1], kEndTag},
      .make =
          [](ToolSink& sink) {
            return std::unique_ptr<ToolParser>(std::make_unique<Parser>(sink));
          },
      .form = form,
      .openings = {"[", kTags[0], kTags[1]},
      .refines = "llama3"};
  return def;
}

}  // namespace ingot
