#include "cli/contract/chat_terminal.h"

#include <unistd.h>

#include <cstdio>

#include "base/error.h"
#include "base/printable.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/interrupts.h"
#include "cli/contract/standard_input.h"

namespace ingot {
namespace chat_terminal {

class Talk {
 public:
  Talk(ChatPartner& partner, const std::string& system, bool json)
      : partner_(partner),
        history_(system),
        json_(json),
        typed_(::isatty(STDIN_FILENO) == 1),
        shown_(::isatty(STDOUT_FILENO) == 1) {}

  int run() {
    if (typed_) {
      std::fprintf(stderr, "/reset forgets, Ctrl-C stops an answer, /exit or Ctrl-D leaves\n");
    }
    LineReader lines;
    std::string line;
    bool all = true;      // turns were answered
    bool warned = false;  // one Ctrl-C at the prompt may have been meant for an answer just over
    while (true) {
      if (typed_) std::fprintf(stderr, "> ");
      const LineReader::Input input = lines.next(line);
      interrupted.store(false);
      if (input == LineReader::Input::kInterrupted && typed_ && !warned) {
        warned = true;
        std::fprintf(stderr, "\n(Ctrl-C again leaves, like /exit and Ctrl-D)\n");
        continue;
      }
      if (input != LineReader::Input::kLine || line == "/exit") break;
      warned = false;
      if (line == "/reset") {
        history_.reset();
        if (typed_) std::fprintf(stderr, "(forgotten)\n");
      } else if (!line.empty()) {
        all &= answer(line);
      }
    }
    if (typed_) std::fprintf(stderr, "\n");
    return all || typed_ ? 0 : 1;
  }

 private:
  // A turn that fails leaves the history as it was before it, and gives false.
  bool answer(const std::string& line) {
    const ChatHistory before = history_;
    history_.add("user", line);
    bool open = false;  // the line on standard output has text
    try {
      interrupted.store(false);
      const ChatAnswer answer = partner_.answer(history_, [&](std::string_view text) {
        if (json_ || text.empty()) return;
        const std::string shown = shown_ ? without_controls(text) : std::string(text);
        std::fwrite(shown.data(), 1, shown.size(), stdout);
        std::fflush(stdout);
        open = true;
      });
      interrupted.store(false);  // it was meant for the answer
      history_.add("assistant", answer.text);
      report(answer);
      return true;
    } catch (const Error& error) {
      interrupted.store(false);
      history_ = before;
      if (open) std::printf("\n");
      std::fflush(stdout);
      std::fprintf(stderr, "error: %s\n", printable(error.what()).c_str());
      return false;
    }
  }

  void report(const ChatAnswer& answer) const {
    if (json_) {
      Json out = {{"role", "assistant"}};
      out.update(answer.json);
      print_json(out);
      return;
    }
    std::printf("\n");
    std::fflush(stdout);
    const int64_t decoded = answer.tokens - 1;
    std::fprintf(stderr, "[%ld tokens, %.1f tok/s, first after %.0f ms, %s]\n",
                 static_cast<long>(answer.tokens),
                 decoded > 0 ? per_second(decoded, answer.decode_ms) : 0.0, answer.first_ms,
                 printable(answer.finish).c_str());
  }

  ChatPartner& partner_;
  ChatHistory history_;
  const bool json_;
  const bool typed_;  // standard input is a terminal
  const bool shown_;  // standard output is
};

}  // namespace chat_terminal

void ChatHistory::reset() {
  messages_ = Json::array();
  if (!system_.empty()) add("system", system_);
}

void ChatHistory::add(std::string_view role, const std::string& text) {
  messages_.push_back({{"role", role}, {"content", text}});
}

bool ChatHistory::forget_oldest() {
  const size_t first = system_.empty() ? 0 : 1;
  if (messages_.size() < first + 3) return false;
  const auto oldest = messages_.begin() + static_cast<std::ptrdiff_t>(first);
  messages_.erase(oldest, oldest + 2);
  std::fprintf(stderr, "(the oldest turn no longer fits and is forgotten)\n");
  return true;
}

int run_chat(ChatPartner& partner, const std::string& system, bool json) {
  catch_interrupts(/*once=*/false);
  chat_terminal::Talk talk(partner, system, json);
  return talk.run();
}

}  // namespace ingot
