// NAME and a line end before a JSON object: GLM-4. <|assistant|> begins a part of an answer, which
// is a text or a call; <|observation|> ends one that calls.
#include <fmt/format.h>

#include <algorithm>

#include "server/tool_format.h"
#include "server/tool_json.h"

namespace ingot {
namespace tool_format_glm4 {

constexpr std::string_view kPart = "<|assistant|>";
constexpr std::string_view kEnd = "<|observation|>";
constexpr size_t kMostName = 64;

class Parser final : public ToolParser {
 public:
  explicit Parser(ToolSink& sink) : sink_(sink) {}

  void push(std::string_view text) override {
    for (const char c : text) one(c);
    if (at_ == At::kText) say(held_.size() - held_back(held_, kPart));
  }

  void end() override {
    if (at_ == At::kText) say(held_.size());
    if (at_ == At::kStart && held_.find_first_not_of(kJsonSpace) != held_.npos)
      sink_.content(held_);
  }

 private:
  enum class At {
    kStart,  // of a part: held_ is all that came of it
    kArguments,
    kText,
  };

  void one(char c) {
    if (at_ == At::kArguments) return arguments(c);
    held_ += c;
    if (at_ == At::kText) {
      if (!sink_.held() && held_.ends_with(kPart)) {
        say(held_.size() - kPart.size());
        held_.clear();
        at_ = At::kStart;
      }
      return;
    }
    start(c);
  }

  void start(char c) {
    const size_t first = std::min(held_.find_first_not_of(kJsonSpace), held_.size());
    const std::string_view rest = std::string_view(held_).substr(first);
    if (!sink_.held() && (rest == kPart || rest == kEnd)) return held_.clear();
    const std::string_view name = rest.substr(0, name_size(rest));
    std::string_view behind = rest.substr(name.size());
    const bool known = !name.empty() && sink_.offers(name);
    if (c == '{' && known && ends_line(behind.substr(0, behind.size() - 1)) && is_exact(name)) {
      sink_.begin_call(name);
      held_.clear();
      span_ = {};
      at_ = At::kArguments;
      return arguments(c);
    }
    const bool blank = behind.find_first_not_of(kJsonSpace) == behind.npos;
    const bool hopeful = kPart.starts_with(rest) || kEnd.starts_with(rest) ||
                         (behind.empty() && name.size() <= kMostName) || (known && blank);
    if (!hopeful || held_.size() > kMostHeld) at_ = At::kText;
  }

  static size_t name_size(std::string_view text) {
    const auto is_name = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             c == '_' || c == '-' || c == '.';
    };
    return static_cast<size_t>(std::ranges::find_if_not(text, is_name) - text.begin());
  }

  static bool ends_line(std::string_view text) {
    return text.find('\n') != text.npos && text.find_first_not_of(kJsonSpace) == text.npos;
  }

  // Where a grammar holds the answer, a call has one spelling.
  bool is_exact(std::string_view name) const {
    return !sink_.held() || held_ == fmt::format("{}{}\n{{", calls_ > 0 ? "\n" : "", name);
  }

  void arguments(char c) {
    const JsonStep step = span_.push(c);
    if (step != JsonStep::kBad) sink_.arguments({&c, 1});
    if (step == JsonStep::kMore) return;
    ++calls_;
    at_ = step == JsonStep::kDone ? At::kStart : At::kText;
    if (step == JsonStep::kBad) one(c);
  }

  // White space alone, before a call or behind one, is no content.
  void say(size_t size) {
    const std::string_view text = std::string_view(held_).substr(0, size);
    const bool blank = text.find_first_not_of(kJsonSpace) == text.npos;
    if (text.empty() || (!spoken_ && size <= kMostHeld && blank)) return;
    sink_.content(text);
    spoken_ = true;
    held_.erase(0, size);
  }

  ToolSink& sink_;
  At at_ = At::kStart;
  std::string held_;
  JsonSpan span_;
  size_t calls_ = 0;
  bool spoken_ = false;
};

CallForm form(std::string_view name, std::string_view) {
  const std::string begin = fmt::format("{}\n", name);
  return {.separator = "\n", .begin = begin, .trigger = begin};
}

// Calls and results are messages of their own; GLM-4-9B's template has tools in a system message.
void arrange(Json& messages, Json& variables, std::string_view chat_template) {
  Json out = Json::array();
  const auto tools = variables.find("tools");
  if (tools != variables.end() && chat_template.find("['tools']") != chat_template.npos) {
    out.push_back({{"role", "system"}, {"content", ""}, {"tools", *tools}});
  }
  for (Json& message : messages) {
    if (message["role"] == "tool") message["role"] = "observation";
    const auto found = message.find("tool_calls");
    const Json calls = found != message.end() && found->is_array() ? *found : Json::array();
    message.erase("tool_calls");
    const auto content = message.find("content");
    const bool says = content != message.end() && content->is_string() && *content != "";
    if (says || calls.empty()) out.push_back(std::move(message));
    for (const Json& call : calls) {
      out.push_back({{"role", "assistant"},
                     {"metadata", call["function"]["name"]},
                     {"content", call["function"]["arguments"].dump()}});
    }
  }
  messages = std::move(out);
}

}  // namespace tool_format_glm4

const ToolFormatDef& glm4_tool_format() {
  using namespace tool_format_glm4;
  static const ToolFormatDef def = {
      .name = "glm4",
      .claims =
          [](std::string_view text) {
            return text.find("[gMASK]<sop>") != text.npos && text.find("metadata") != text.npos;
          },
      .marks = {kPart, kEnd},
      .make =
          [](ToolSink& sink) {
            return std::unique_ptr<ToolParser>(std::make_unique<Parser>(sink));
          },
      .form = form,
      .openings = {kPart},
      .arrange = arrange};
  return def;
}

}  // namespace ingot
