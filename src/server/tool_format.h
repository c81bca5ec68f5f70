// How models write calls of tools into their answers. One format, one file in server/tool_formats/:
// <name>.cc defines `const ToolFormatDef& <name>_tool_format()`. Which one a model uses, its chat
// template tells; where it has the form of none, tools are described in a message (tool_prompt.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ingot {

// What an answer is made of, as it becomes certain. Nothing that was said is taken back.
class ToolSink {
 public:
  virtual ~ToolSink() = default;
  virtual void content(std::string_view text) = 0;
  virtual void begin_call(std::string_view name) = 0;
  virtual void arguments(std::string_view json) = 0;  // more of those of the newest call
  // Whether the request has such a tool.
  virtual bool offers(std::string_view /*name*/) const { return true; }
  // The JSON Schema of such a tool's arguments; null: the request states none. tool_values.h reads
  // text by it.
  virtual const Json* parameters(std::string_view /*name*/) const { return nullptr; }
  // Whether a grammar holds the answer to the format's CallForm: text that looks like a call in
  // another form is content, for nothing holds its arguments.
  virtual bool held() const { return false; }
  // Whether it holds such a tool's arguments to their schema too; else they are any.
  virtual bool strict(std::string_view /*name*/) const { return held(); }
};

// Text of one answer in pieces of any size. Text that is no well-formed call is content.
class ToolParser {
 public:
  virtual ~ToolParser() = default;
  virtual void push(std::string_view text) = 0;
  virtual void end() = 0;
};

// Arguments that are written one by one, not as a JSON object. A value is JSON, or text where its
// schema says so (tool_values.h).
struct MemberForm {
  std::string begin, middle, end;  // before a name, between name and value, behind the value
  std::string separator;           // between two
  std::string names;               // expression (ECMAScript) of the names that can be written
  std::string no_text;  // expression of what cannot be written as text; empty: all is JSON
};

// The text around calls, for answers that are held to it.
struct CallForm {
  std::string open, close;  // around all of an answer's calls
  std::string separator;    // between two
  std::string begin, end;   // around the arguments of one: a JSON object, or members
  std::string trigger;      // what free text only holds where a call begins; of open and begin
  std::optional<MemberForm> members = {};
};

// One call in the form, without what stands around all of them.
std::string written_call(const CallForm& form, const Json& arguments);

struct ToolFormatDef;
// For templates that write no calls: those of `messages` as text in the format's form, behind what
// the message says.
void write_calls(Json& messages, const ToolFormatDef& format, std::string_view chat_template);

struct ToolFormatDef {
  std::string_view name;
  // Whether models with this chat template write calls so. Null in the one format of all others.
  bool (*claims)(std::string_view chat_template);
  // Control tokens that the parser wants to see as text.
  std::vector<std::string_view> marks;
  std::unique_ptr<ToolParser> (*make)(ToolSink& sink);
  // How a model with this chat template calls the tool; the name needs no escapes in JSON.
  CallForm (*form)(std::string_view name, std::string_view chat_template);
  // Letters and digits that the templates demand of a call's id; 0: any id will do.
  size_t id_size = 0;
  // Where calls stand at an answer's beginning alone: what other text must not begin with, beside
  // its tools' triggers and white space left aside, or the parser may take it for a call. Empty:
  // the trigger tells, anywhere.
  std::vector<std::string_view> openings = {};
  // The name of a format that claims templates of this one's too, and gives way.
  std::string_view refines = {};
  // Where a template takes a conversation in another shape than OpenAI's: makes its shape of
  // `messages`, whose calls have objects as arguments, and of the template's variables, of which
  // "tools" is one where the model is to know them.
  void (*arrange)(Json& messages, Json& variables, std::string_view chat_template) = nullptr;
};

// Generated from server/tool_formats/*.cc, in name order.
const std::vector<const ToolFormatDef*>& server_tool_format_list();
// The first that claims the template and that no other one refines there, else the one that claims
// none.
const ToolFormatDef& find_tool_format(std::string_view chat_template);

// `id` where the format's templates take it; else letters and digits of the size that they want,
// the same for the same id.
std::string fitting_call_id(const std::string& id, const ToolFormatDef& format);

}  // namespace ingot
