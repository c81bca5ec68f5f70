// Chat templates: a sandboxed subset of Jinja, with the settings Hugging Face uses (trim_blocks and
// lstrip_blocks on, break and continue allowed, tojson without HTML escapes).
//
// The sandbox has no files, no network, no attributes of host objects; fuel, depth, output and time
// are bounded. Every byte of a string knows whether it came from outside the template, so that a
// message that spells a control token is never encoded as one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace ingot {

// A small input may cost what these say; a large one gets more, in proportion (render()).
struct TemplateLimits {
  int64_t steps = 1'000'000;          // statements and expressions evaluated, bulk work pro rata
  int depth = 64;                     // nesting of the template and of macro calls
  size_t output_bytes = 16ull << 20;  // also of any one string inside
  size_t source_bytes = 512ull << 10;
  int64_t time_ms = 40;  // CPU time of the thread
};

struct ChatInput {
  Json messages = Json::array();
  bool add_generation_prompt = true;
  std::string bos_token;
  std::string eos_token;
  // More variables by name: `extra` comes from the request (its strings are untrusted), `trusted`
  // from the operator.
  Json extra = Json::object();
  Json trusted = Json::object();
  int64_t now_unix_s = -1;  // for strftime_now, UTC; below 0: the system's clock
};

struct ChatSegment {
  std::string text;
  bool from_user = false;
};
using ChatSegments = std::vector<ChatSegment>;  // neighbours differ in from_user; none is empty

// A parsed template; immutable, thread safe.
class ChatTemplate {
 public:
  // Error{kInvalidArgument} (syntax) or {kUnsupported} (a construct outside the subset), both with
  // the line: "[text/chat_template] NAME: line 3: ...".
  static std::unique_ptr<const ChatTemplate> parse(std::string_view source, std::string_view name,
                                                   const TemplateLimits& limits = {});
  ~ChatTemplate();
  // Errors as parse(); raise_exception gives Error{kInvalidArgument} with the template's message.
  ChatSegments render(const ChatInput& input) const;
  // Whether the template has an expression that looks at a variable of this name: where it has
  // none, what is given under the name has no effect.
  bool reads(std::string_view name) const;
  // Whether every template gets `name` from the program: messages, the marks, functions.
  static bool reserved(std::string_view name);

 private:
  struct State;
  explicit ChatTemplate(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

std::string chat_text(const ChatSegments& segments);
// Encodes the whole text at once, so that ids do not depend on where segments end, but lets no
// control token touch a from_user byte. No BOS is added: templates write their own.
std::vector<int32_t> encode_chat(const Tokenizer& tokenizer, const ChatSegments& segments);

}  // namespace ingot
