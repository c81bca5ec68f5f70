#include "text/chat_template.h"

#include <algorithm>
#include <array>
#include <set>

#include "text/jinja/interpreter.h"
#include "text/jinja/library.h"
#include "text/jinja/parser.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/chat_template";

// Roles that templates may write into their markers ("<|" + role + "|>"). Any other role is text of
// the user and cannot become part of a control token.
constexpr std::array<std::string_view, 10> kKnownRoles = {
    "system",   "user",  "assistant", "tool", "developer",
    "function", "model", "ipython",   "bot",  "observation"};

jinja::Value message_value(const Json& message) {
  const jinja::Value value = jinja::from_json(message, true);
  const jinja::Dict* dict = value.dict();
  if (dict == nullptr) return value;
  jinja::Pairs items = dict->items;
  for (auto& [key, item] : items) {
    if (key.str()->text() != "role" || item.str() == nullptr) continue;
    const std::string& role = item.str()->text();
    if (std::find(kKnownRoles.begin(), kKnownRoles.end(), role) != kKnownRoles.end()) {
      item = jinja::make_text(role);
    }
  }
  return jinja::make_dict(std::move(items));
}

// About what a JSON value holds: text, and 16 for anything else.
size_t json_bytes(const Json& value, int depth = 0) {
  if (value.is_string()) return value.get_ref<const std::string&>().size();
  size_t bytes = 16;
  if (!value.is_structured() || depth > jinja::kMaxValueDepth) return bytes;
  for (const Json& item : value) bytes += json_bytes(item, depth + 1);
  return bytes;
}

ChatSegments segments_of(const jinja::Str& text) {
  ChatSegments out;
  for (size_t i = 0; i < text.size();) {
    const bool from_user = text.tainted(i);
    size_t end = i;
    while (end < text.size() && text.tainted(end) == from_user) ++end;
    out.push_back({text.text().substr(i, end - i), from_user});
    i = end;
  }
  return out;
}

using Names = std::set<std::string, std::less<>>;

void add_names(const jinja::Expr* expr, Names& names) {
  if (expr == nullptr) return;
  if (expr->kind == jinja::ExprKind::kName) names.insert(expr->name);
  for (const jinja::ExprPtr& arg : expr->args) add_names(arg.get(), names);
  for (const auto& [keyword, value] : expr->keywords) add_names(value.get(), names);
}

void add_names(const jinja::Body& body, Names& names) {
  for (const auto& statement : body) {
    add_names(statement->expr.get(), names);
    add_names(statement->condition.get(), names);
    for (const jinja::ExprPtr& value : statement->defaults) add_names(value.get(), names);
    for (const jinja::Branch& branch : statement->branches) {
      add_names(branch.condition.get(), names);
      add_names(branch.body, names);
    }
    add_names(statement->body, names);
    add_names(statement->otherwise, names);
  }
}

}  // namespace

struct ChatTemplate::State {
  std::string name;
  TemplateLimits limits;
  jinja::Body body;
  Names names;  // that expressions look at
};

ChatTemplate::ChatTemplate(std::unique_ptr<State> state) : state_(std::move(state)) {}
ChatTemplate::~ChatTemplate() = default;

std::unique_ptr<const ChatTemplate> ChatTemplate::parse(std::string_view source,
                                                        std::string_view name,
                                                        const TemplateLimits& limits) {
  if (const size_t bad = validate_utf8(source); bad != kUtf8Valid) {
    fail(ErrorCode::kInvalidArgument, kWhere, "{}: invalid UTF-8 at byte {}", name, bad);
  }
  if (source.size() > limits.source_bytes) {
    fail(ErrorCode::kInvalidArgument, kWhere, "{}: a template of {} bytes, the most is {}", name,
         source.size(), limits.source_bytes);
  }
  auto state = std::make_unique<State>();
  state->name = name;
  state->limits = limits;
  state->body = jinja::parse_template(source, name, limits.depth);
  add_names(state->body, state->names);
  return std::unique_ptr<const ChatTemplate>(new ChatTemplate(std::move(state)));
}

ChatSegments ChatTemplate::render(const ChatInput& input) const {
  if (!input.messages.is_array()) {
    fail(ErrorCode::kInvalidArgument, kWhere, "messages: expected a list, found {}",
         input.messages.type_name());
  }
  for (const Json* variables : {&input.extra, &input.trusted}) {
    if (!variables->is_object()) {
      fail(ErrorCode::kInvalidArgument, kWhere, "variables: expected an object, found {}",
           variables->type_name());
    }
  }
  TemplateLimits limits = state_->limits;
  const size_t bytes =
      json_bytes(input.messages) + json_bytes(input.extra) + json_bytes(input.trusted);
  limits.steps += static_cast<int64_t>(bytes) * 4;
  limits.time_ms += static_cast<int64_t>(bytes >> 10);
  jinja::Interpreter interpreter(state_->name, limits, input.now_unix_s);
  try {
    jinja::Values messages;
    for (const Json& message : input.messages) messages.push_back(message_value(message));
    // Later definitions win, so that a request cannot replace what the program sets.
    for (const auto& [key, value] : input.extra.items()) {
      interpreter.define(key, jinja::from_json(value, true));
    }
    for (const auto& [key, value] : input.trusted.items()) {
      interpreter.define(key, jinja::from_json(value, false));
    }
    interpreter.define("messages", jinja::make_list(std::move(messages)));
  } catch (const jinja::ValueError& e) {
    fail(ErrorCode::kInvalidArgument, kWhere, "input: {}", e.reason);
  }
  interpreter.define("add_generation_prompt", input.add_generation_prompt);
  interpreter.define("bos_token", jinja::make_text(input.bos_token));
  interpreter.define("eos_token", jinja::make_text(input.eos_token));
  return segments_of(interpreter.run(state_->body));
}

bool ChatTemplate::reads(std::string_view name) const { return state_->names.contains(name); }

bool ChatTemplate::reserved(std::string_view name) {
  constexpr std::array<std::string_view, 4> kInputs = {"messages", "add_generation_prompt",
                                                       "bos_token", "eos_token"};
  return std::find(kInputs.begin(), kInputs.end(), name) != kInputs.end() ||
         jinja::has_function(name);
}

std::string chat_text(const ChatSegments& segments) {
  std::string out;
  for (const ChatSegment& segment : segments) out += segment.text;
  return out;
}

std::vector<int32_t> encode_chat(const Tokenizer& tokenizer, const ChatSegments& segments) {
  std::string text;
  std::vector<TextRange> untrusted;
  for (const ChatSegment& segment : segments) {
    if (segment.from_user) untrusted.push_back({text.size(), text.size() + segment.text.size()});
    text += segment.text;
  }
  return tokenizer.encode_mixed(text, untrusted, false);
}

}  // namespace ingot
