// Tools in chat requests, and their calls in answers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/text_assets.h"
#include "server/schema.h"
#include "server/structured_outputs.h"
#include "server/tool_format.h"
#include "server/tool_json.h"

namespace ingot {

// "tools", "tool_choice", "parallel_tool_calls".
Field tool_list_field();  // "tools" alone
std::vector<Field> tool_fields();

struct OfferedTool {
  std::string name;
  Json parameters;      // null: none are stated
  bool strict = false;  // calls are held to them
};

struct ToolWish {
  const ToolFormatDef* format = nullptr;  // null: the answer is text
  bool parallel = true;                   // false: calls behind the first are left out
  std::vector<int32_t> shown;             // control tokens that the format wants to see
  std::vector<OfferedTool> tools;
  bool named = false;   // the caller chose the tool: finish_reason is "stop"
  bool forced = false;  // a call must come
  bool held = false;    // a grammar holds calls to the format's form
  // Calls that must come, or must be of their schemas.
  std::optional<StructureWish> structure;
  // How calls begin where JSON may stand in their place; else none.
  std::vector<std::string> beginnings;
  const OfferedTool* find(std::string_view name) const;  // null: there is none
  bool offers(std::string_view name) const { return find(name) != nullptr; }
  const Json* parameters(std::string_view name) const;  // of a tool; null: none are stated
  bool strict(std::string_view name) const { return held && offers(name) && find(name)->strict; }
};

// Of a body that check_body() has passed. ApiError (400) for tools that are malformed or of a kind
// that is not built, and for a choice that is none.
ToolWish read_tools(const Json& body, const TextAssets& assets);

// What an answer with tools is held to, where another field wishes for `text` as its form: calls
// where these must come, else calls or JSON of the form. Nothing: what is wished for stays.
// ApiError (400) for a form that is not JSON.
std::optional<StructureWish> form_beside_calls(ToolWish& tools,
                                               const std::optional<StructureWish>& text,
                                               const Json& body, const TextAssets& assets);

// Of an answer of the wish's format. Where JSON may stand in place of calls, its strings may hold
// what would be one.
std::unique_ptr<ToolParser> tool_parser(const ToolWish& wish, ToolSink& sink);

// A message's "tool_calls" as chat templates take them: arguments are an object. ApiError (400)
// with `path` before the field's.
Json template_tool_calls(const Json& calls, const std::string& path);

// Tells whether a call's arguments have ended: a stop string may cut them.
class CallEnd {
 public:
  void begin();
  void arguments(std::string_view json);
  bool is_open() const { return open_; }

 private:
  JsonSpan span_;
  bool open_ = false;
};

// An answer's parts, for one that is sent whole.
class WholeAnswer final : public ToolSink {
 public:
  explicit WholeAnswer(const ToolWish& wish) : wish_(wish) {}
  void content(std::string_view text) override;
  void begin_call(std::string_view name) override;
  void arguments(std::string_view json) override;
  bool offers(std::string_view name) const override { return wish_.offers(name); }
  const Json* parameters(std::string_view name) const override { return wish_.parameters(name); }
  bool held() const override { return wish_.held; }
  bool strict(std::string_view name) const override { return wish_.strict(name); }
  // {"role", "content", "refusal"[, "tool_calls"]}; `new_id` makes the calls' ids.
  Json message(const std::function<std::string()>& new_id) const;
  // Calls, the last of them whole.
  bool has_calls() const { return !calls_.empty() && !end_.is_open(); }

 private:
  struct One {
    std::string name, arguments;
  };
  const ToolWish& wish_;
  std::string content_;
  std::vector<One> calls_;
  CallEnd end_;
  bool dropping_ = false;
};

// The deltas of a stream: JSON of "delta" objects, one for each part.
class DeltaAnswer final : public ToolSink {
 public:
  DeltaAnswer(const ToolWish& wish, std::function<std::string()> new_id)
      : wish_(wish), new_id_(std::move(new_id)) {}
  void content(std::string_view text) override;
  void begin_call(std::string_view name) override;
  void arguments(std::string_view json) override;
  bool offers(std::string_view name) const override { return wish_.offers(name); }
  const Json* parameters(std::string_view name) const override { return wish_.parameters(name); }
  bool held() const override { return wish_.held; }
  bool strict(std::string_view name) const override { return wish_.strict(name); }
  // What has come since the last call, in order.
  std::vector<std::string> take();
  bool has_calls() const { return calls_ > 0 && !end_.is_open(); }

 private:
  void flush();
  const ToolWish& wish_;
  const std::function<std::string()> new_id_;
  std::vector<std::string> deltas_;
  std::string text_, arguments_;
  int calls_ = 0;
  CallEnd end_;
  bool dropping_ = false;
};

}  // namespace ingot
