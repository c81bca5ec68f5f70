#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/generation_flags.h"
#include "cli/contract/interrupts.h"

namespace ingot {
namespace command_chat {

constexpr int64_t kDefaultContext = 4096;  // tokens; KV memory is taken for all of them

enum class Input { kLine, kEnd, kInterrupted };

// Lines of standard input, and Ctrl-C while waiting for one.
class LineReader {
 public:
  Input next(std::string& line) {
    size_t end = 0;
    while ((end = pending_.find('\n')) == std::string::npos) {
      pollfd wait[2] = {{STDIN_FILENO, POLLIN, 0}, {interrupt_pipe(), POLLIN, 0}};
      if (::poll(wait, 2, -1) < 0) continue;
      char buffer[4096];
      if (wait[1].revents != 0) {
        while (::read(interrupt_pipe(), buffer, sizeof buffer) > 0) continue;
        if (interrupted.exchange(false)) return Input::kInterrupted;  // else it ended an answer
      }
      if (wait[0].revents == 0) continue;
      const ssize_t count = ::read(STDIN_FILENO, buffer, sizeof buffer);
      if (count > 0) {
        pending_.append(buffer, static_cast<size_t>(count));
        continue;
      }
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (count < 0) {
        fail(ErrorCode::kIo, "cli/chat", "standard input: {}", std::strerror(errno));
      }
      if (pending_.empty()) return Input::kEnd;
      pending_ += '\n';  // the last line has no line break
    }
    line = pending_.substr(0, end);
    pending_.erase(0, end + 1);
    return Input::kLine;
  }

 private:
  std::string pending_;
};

class Chat final : public Command {
 public:
  void declare(Flags& flags) override {
    model_.declare(flags);
    flags.text("system", &system_, "system message");
    sampling_.declare(flags);
  }

  int run() override {
    sampling_.check();
    const OpenModel model = model_.open();
    const TextAssets& assets = model.assets;
    require_tokenizer(assets, false);
    assets.require_template();
    SessionOptions options;
    options.reference = model_.reference;
    options.context = model_.max_seq_len > 0 ? model_.max_seq_len : kDefaultContext;
    TextSession session(model.loaded.engine, *model.device, options);
    reset();
    catch_interrupts(/*once=*/false);
    const bool terminal = ::isatty(STDIN_FILENO) == 1;
    if (terminal) {
      std::fprintf(stderr, "/reset forgets, Ctrl-C stops an answer, /exit or Ctrl-D leaves\n");
    }
    LineReader lines;
    std::string line;
    bool all = true;      // turns were answered
    bool warned = false;  // one Ctrl-C at the prompt may have been meant for an answer just over
    while (true) {
      if (terminal) std::fprintf(stderr, "> ");
      const Input input = lines.next(line);
      if (input == Input::kInterrupted && terminal && !warned) {
        warned = true;
        std::fprintf(stderr, "\n(Ctrl-C again leaves, like /exit and Ctrl-D)\n");
        continue;
      }
      if (input != Input::kLine || line == "/exit") break;
      warned = false;
      if (line == "/reset") {
        reset();
        if (terminal) std::fprintf(stderr, "(forgotten)\n");
      } else if (!line.empty()) {
        all &= answer(line, assets, session);
      }
    }
    if (terminal) std::fprintf(stderr, "\n");
    return all || terminal ? 0 : 1;  // who types sees what failed, a script does not
  }

 private:
  void reset() {
    messages_ = Json::array();
    if (!system_.empty()) messages_.push_back({{"role", "system"}, {"content", system_}});
  }

  // A turn that fails leaves the history as it was before it, and gives false.
  bool answer(const std::string& line, const TextAssets& assets, TextSession& session) {
    const Json before = messages_;
    messages_.push_back({{"role", "user"}, {"content", line}});
    try {
      const Generation generation = generate(assets, session);
      messages_.push_back({{"role", "assistant"}, {"content", generation.text}});
      report(generation);
      return true;
    } catch (const Error& error) {
      messages_ = before;
      std::fprintf(stderr, "error: %s\n", error.what());
      return false;
    }
  }

  Generation generate(const TextAssets& assets, TextSession& session) {
    GenerateInput input;
    input.prompt = fitting_prompt(assets, session.context());
    input.sampling = sampling_.params(assets);
    input.stops = sampling_.stop;
    input.tokenizer = assets.tokenizer.get();
    input.cancel = &interrupted;
    interrupted.store(false);
    Generation out = session.generate(input, [&](std::string_view text) {
      if (json) return;
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    });
    interrupted.store(false);  // it was meant for the answer
    return out;
  }

  // Oldest turns leave until an answer has room; the system message and the question stay.
  std::vector<int32_t> fitting_prompt(const TextAssets& assets, int64_t context) {
    const size_t first = system_.empty() ? 0 : 1;
    while (true) {
      auto ids = encode_chat(*assets.tokenizer, render_chat(assets, messages_));
      const int64_t room = std::min<int64_t>(sampling_.max_tokens, context / 4);
      const bool fits = static_cast<int64_t>(ids.size()) + room <= context;
      if (fits || messages_.size() < first + 3) return ids;
      const auto oldest = messages_.begin() + static_cast<std::ptrdiff_t>(first);
      messages_.erase(oldest, oldest + 2);
      std::fprintf(stderr, "(the oldest turn no longer fits and is forgotten)\n");
    }
  }

  void report(const Generation& generation) const {
    if (json) {
      Json out = {{"role", "assistant"}};
      out.update(generation_json(generation));
      print_json(out);
      return;
    }
    std::printf("\n");
    std::fflush(stdout);
    const auto decoded = static_cast<int64_t>(generation.token_ids.size()) - 1;
    std::fprintf(stderr, "[%ld tokens, %.1f tok/s, first after %.0f ms, %s]\n",
                 static_cast<long>(decoded + 1),
                 decoded > 0 ? per_second(decoded, generation.decode_ms) : 0.0,
                 generation.prefill_ms, finish_text(generation).c_str());
  }

  ModelFlags model_;
  SamplingFlags sampling_;
  std::string system_;
  Json messages_;
};

}  // namespace command_chat

const CommandDef& chat_command() {
  using namespace command_chat;
  static const CommandDef def = {
      .name = "chat",
      .help = "talk with a model in the terminal",
      .example = "ingot chat smollm2-135m-instruct --system \"You answer in one sentence.\"",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Chat>()); }};
  return def;
}

}  // namespace ingot
