#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "cli/contract/chat_terminal.h"
#include "cli/contract/generation_flags.h"
#include "cli/contract/interrupts.h"
#include "cli/contract/openai_server.h"
#include "cli/contract/remote_chat.h"

namespace ingot {
namespace command_chat {

constexpr int64_t kDefaultContext = 4096;  // tokens; KV memory is taken for all of them

class LocalChat final : public ChatPartner {
 public:
  LocalChat(const OpenModel& model, const SamplingFlags& sampling, const SessionOptions& options)
      : assets_(model.assets),
        sampling_(sampling),
        session_(model.loaded.engine, *model.device, options) {}

  ChatAnswer answer(ChatHistory& history, ShowText show) override {
    GenerateInput input;
    input.prompt = fitting_prompt(history);
    input.sampling = sampling_.params(assets_);
    input.stops = sampling_.stop;
    input.tokenizer = assets_.tokenizer.get();
    input.cancel = &interrupted;
    const Generation generation = session_.generate(input, show);
    ChatAnswer out;
    out.text = generation.text;
    out.finish = finish_text(generation);
    out.tokens = static_cast<int64_t>(generation.token_ids.size());
    out.first_ms = generation.prefill_ms;
    out.decode_ms = generation.decode_ms;
    out.json = generation_json(generation);
    return out;
  }

 private:
  // Oldest turns leave until an answer has room; the system message and the question stay.
  std::vector<int32_t> fitting_prompt(ChatHistory& history) {
    const int64_t context = session_.context();
    while (true) {
      auto ids = encode_chat(*assets_.tokenizer, render_chat(assets_, history.messages()));
      const int64_t room = std::min<int64_t>(sampling_.max_tokens, context / 4);
      const bool fits = static_cast<int64_t>(ids.size()) + room <= context;
      if (fits || !history.forget_oldest()) return ids;
    }
  }

  const TextAssets& assets_;
  const SamplingFlags& sampling_;
  TextSession session_;
};

class Chat final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.also("model", {"-m", "--model"});
    flags.argument("model", &model_.model,
                   "engine, checkpoint, Hugging Face directory, .gguf or hub name; with --url a "
                   "name of the server's, else its first",
                   false);
    model_.declare_options(flags);
    flags.flag("url", &url_, "talk with an OpenAI server: http(s)://host:port[/v1]");
    flags.flag("api-key", &api_key_,
               "--url: shown as a bearer; default: the variable OPENAI_API_KEY");
    flags.flag("ca-file", &ca_file_, "--url: certificates to trust (PEM) in place of the system's");
    flags.flag("timeout", &timeout_, "--url: seconds without a byte until an answer has failed");
    flags.text("system", &system_, "system message");
    sampling_.declare(flags);
  }

  int run() override {
    sampling_.check();
    check_range("timeout", timeout_, 0, 1e6);
    return url_.empty() ? run_local() : run_remote();
  }

 private:
  int run_local() {
    if (model_.model.empty()) throw UsageError("expected a model, or --url with a server");
    if (!ca_file_.empty()) throw UsageError("--ca-file goes with --url");
    const OpenModel model = model_.open();
    require_tokenizer(model.assets, false);
    model.assets.require_template();
    SessionOptions options;
    options.reference = model_.reference;
    options.context = model_.max_seq_len > 0 ? model_.max_seq_len : kDefaultContext;
    LocalChat chat(model, sampling_, options);
    return run_chat(chat, system_, json);
  }

  int run_remote() {
    if (model_.given_options()) {
      throw UsageError(
          "--url: the server has the model; --device, --dtype, --kv-dtype, --reference, "
          "--max-seq-len and --tokenizer-dir go without it");
    }
    if (sampling_.logprobs >= 0) throw UsageError("--logprobs goes without --url");
    ClientOptions options;
    options.api_key = key();
    options.ca_file = ca_file_;
    options.quiet_timeout = std::chrono::milliseconds(static_cast<int64_t>(timeout_ * 1e3));
    const HttpTarget target(url(), options);
    const std::string model =
        model_.model.empty() ? server_models(target, "cli/chat").front() : model_.model;
    RemoteChat chat(target, model, sampling_.openai_fields());
    return run_chat(chat, system_, json);
  }

  HttpUrl url() const {
    try {
      return server_url(url_);
    } catch (const Error& error) {
      throw UsageError(std::string("--url: ") + error.what());
    }
  }

  std::string key() const {
    const char* variable = std::getenv("OPENAI_API_KEY");
    const std::string out = !api_key_.empty() ? api_key_ : variable ? variable : "";
    for (const char c : out) {
      if (c > 0x20 && c < 0x7f) continue;
      throw UsageError("the API key: expected ASCII without blanks, found another byte");
    }
    return out;
  }

  ModelFlags model_;
  SamplingFlags sampling_;
  std::string system_, url_, api_key_, ca_file_;
  double timeout_ = 600;
};

}  // namespace command_chat

const CommandDef& chat_command() {
  using namespace command_chat;
  static const CommandDef def = {
      .name = "chat",
      .help = "talk with a model, or with a server's, in the terminal",
      .example = "ingot chat smollm2-135m-instruct --system \"You answer in one sentence.\"",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Chat>()); }};
  return def;
}

}  // namespace ingot
