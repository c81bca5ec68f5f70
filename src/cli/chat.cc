#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "cli/contract/cli_io.h"
#include "cli/contract/generation_flags.h"

namespace ingot {
namespace command_chat {

constexpr int64_t kDefaultContext = 4096;  // tokens; KV memory is taken for all of them

std::atomic<bool> interrupted{false};

void on_interrupt(int) { interrupted.store(true); }

// Ctrl-C sets a flag, and breaks a read that waits for input.
void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
}

// Lines of standard input. The end of input and Ctrl-C while waiting both give false.
class LineReader {
 public:
  bool next(std::string& line) {
    size_t end = 0;
    while ((end = pending_.find('\n')) == std::string::npos) {
      if (interrupted.load()) return false;
      char buffer[4096];
      const ssize_t count = ::read(STDIN_FILENO, buffer, sizeof buffer);
      if (count > 0) {
        pending_.append(buffer, static_cast<size_t>(count));
        continue;
      }
      if (count < 0 || pending_.empty()) return false;
      pending_ += '\n';  // the last line has no line break
    }
    line = pending_.substr(0, end);
    pending_.erase(0, end + 1);
    return true;
  }

 private:
  std::string pending_;
};

class Chat final : public Command {
 public:
  void declare(Flags& flags) override {
    model_.declare(flags);
    flags.flag("system", &system_, "system message");
    sampling_.declare(flags);
  }

  int run() override {
    const auto device = make_device(model_.device);
    const LoadedModel loaded = model_.load(*device);
    const TextAssets assets = engine_text_assets(*loaded.engine, model_.model);
    assets.require_template();
    SessionOptions options;
    options.reference = model_.reference;
    options.context = model_.max_seq_len > 0 ? model_.max_seq_len : kDefaultContext;
    TextSession session(loaded.engine, *device, options);
    reset();
    catch_interrupts();
    const bool terminal = ::isatty(STDIN_FILENO) == 1;
    if (terminal) std::fprintf(stderr, "/reset forgets, /exit or Ctrl-C leaves\n");
    LineReader lines;
    std::string line;
    while (true) {
      if (terminal) std::fprintf(stderr, "> ");
      if (!lines.next(line) || line == "/exit") break;
      if (line == "/reset") {
        reset();
      } else if (!line.empty()) {
        answer(line, assets, session);
      }
    }
    if (terminal) std::fprintf(stderr, "\n");
    return 0;
  }

 private:
  void reset() {
    messages_ = Json::array();
    if (!system_.empty()) messages_.push_back({{"role", "system"}, {"content", system_}});
  }

  // A turn that fails leaves the history as it was before it.
  void answer(const std::string& line, const TextAssets& assets, TextSession& session) {
    const Json before = messages_;
    messages_.push_back({{"role", "user"}, {"content", line}});
    try {
      const Generation generation = generate(assets, session);
      messages_.push_back({{"role", "assistant"}, {"content", generation.text}});
      report(generation);
    } catch (const Error& error) {
      messages_ = before;
      std::fprintf(stderr, "error: %s\n", error.what());
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
