// The terminal of `ingot chat`: lines in, answers out, /reset, /exit, Ctrl-C; whoever answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/json.h"

namespace ingot {

// Messages as OpenAI's API has them, the system's first where there is one.
class ChatHistory {
 public:
  explicit ChatHistory(std::string system) : system_(std::move(system)) { reset(); }
  void reset();
  void add(std::string_view role, const std::string& text);
  // Drops the oldest question and its answer and says so on standard error. False: none may go,
  // since the system's message and the last question stay.
  bool forget_oldest();
  const Json& messages() const { return messages_; }

 private:
  std::string system_;
  Json messages_;
};

struct ChatAnswer {
  std::string text;
  std::string finish;  // "stop", "length", "cancelled", …
  int64_t tokens = 0;
  double first_ms = 0;   // from the question to the first part
  double decode_ms = 0;  // from there to the end
  Json json;             // what --json prints of it, beside the role
};

using ShowText = FunctionRef<void(std::string_view)>;

// Who answers.
class ChatPartner {
 public:
  virtual ~ChatPartner() = default;
  // The answer to the last message, shown as it comes. Old turns that no longer fit may be
  // forgotten. Once `interrupted` is set it ends with what there is, as "cancelled". Error: there
  // is no answer, and the history is then put back.
  virtual ChatAnswer answer(ChatHistory& history, ShowText show) = 0;
};

// Talks until /exit, the end of the input or Ctrl-C at the prompt; the exit code. Without a
// terminal it is 1 where a turn failed: who types sees it, a script does not.
int run_chat(ChatPartner& partner, const std::string& system, bool json);

}  // namespace ingot
