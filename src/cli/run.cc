#include <cstdio>

#include "base/clock.h"
#include "cli/contract/form_flags.h"
#include "cli/contract/generation_flags.h"
#include "cli/contract/interrupts.h"
#include "cli/contract/standard_input.h"

namespace ingot {
namespace command_run {

class Run final : public Command {
 public:
  void declare(Flags& flags) override {
    model_.declare(flags);
    flags.argument("prompt", &prompt_, "what to answer; without it standard input is read", false,
                   &has_prompt_);
    flags.flag(
        "raw", &raw_,
        "no chat template: continue the text, in which control tokens (<|im_end|>) count as such");
    flags.flag("prompt-ids", &prompt_ids_, "prompt as token ids: 1,2,3");
    flags.text("system", &system_, "system message, where the model has a chat template");
    sampling_.declare(flags);
    form_.declare(flags);
  }

  int run() override {
    if (!prompt_ids_.empty() && (has_prompt_ || raw_ || !system_.empty())) {
      throw UsageError("--prompt-ids goes without a prompt, --raw and --system");
    }
    if (raw_ && !system_.empty()) throw UsageError("--raw goes without --system");
    sampling_.check();
    form_.check();
    const std::vector<int32_t> given =
        prompt_ids_.empty() ? std::vector<int32_t>() : parse_ids(prompt_ids_);
    if (prompt_ids_.empty()) {
      // A script's unset variable must not make it wait for somebody to type.
      if (has_prompt_ && prompt_.empty()) throw UsageError("prompt: expected a text, found none");
      if (!has_prompt_) {
        prompt_ = read_standard_input();
        if (prompt_.empty()) {
          throw UsageError("prompt: expected a text, found none on standard input");
        }
      }
      check_utf8(prompt_, "prompt");
    }
    const Stopwatch watch;
    const OpenModel model = model_.open();
    const TextAssets& assets = model.assets;
    GenerateInput input;
    input.prompt = prompt_ids_.empty() ? encode(assets) : given;
    input.sampling = sampling_.params(assets);
    input.stops = sampling_.stop;
    input.tokenizer = assets.tokenizer.get();
    const auto& engine = model.loaded.engine;
    TextSession session(engine, *model.device, session_options(*engine, input));
    input.sampling.grammar = form_.grammar(assets, session.loop().limits().vocab_size);
    const double load_ms = watch.ms();
    catch_interrupts(/*once=*/true);
    input.cancel = &interrupted;
    const Generation generation = session.generate(input, [&](std::string_view text) {
      if (!json) write_answer(text);
    });
    report(input, generation, load_ms);
    return generation.finish == FinishReason::kCancelled ? kInterrupted : 0;
  }

 private:
  std::vector<int32_t> encode(const TextAssets& assets) const {
    const Tokenizer& tokenizer = require_tokenizer(assets, true);
    if (raw_ || !assets.chat_template) {
      if (!system_.empty()) assets.require_template();
      return tokenizer.encode(prompt_);
    }
    Json messages = Json::array();
    if (!system_.empty()) messages.push_back({{"role", "system"}, {"content", system_}});
    messages.push_back({{"role", "user"}, {"content", prompt_}});
    return encode_chat(tokenizer, render_chat(assets, messages));
  }

  // KV pages and activations for this request alone.
  SessionOptions session_options(const Engine& engine, const GenerateInput& input) const {
    SessionOptions options;
    int64_t context = engine_context(engine);
    if (model_.max_seq_len > 0) context = std::min(context, model_.max_seq_len);
    check_prompt_fits(input.prompt.size(), context);
    const auto prompt = static_cast<int64_t>(input.prompt.size());
    const int64_t answer = std::clamp<int64_t>(input.sampling.max_tokens, 1, context - prompt);
    options.context = prompt + answer;
    options.reference = model_.reference;
    const auto limit = engine.plan.limits.find("tokens");
    options.step_tokens = limit == engine.plan.limits.end() ? prompt : limit->second;
    options.step_tokens = std::min(options.step_tokens, prompt);
    return options;
  }

  // ttft_ms counts from the start of loading; prefill_ms from the moment the model was ready.
  void report(const GenerateInput& input, const Generation& generation, double load_ms) const {
    const auto prompt = static_cast<int64_t>(input.prompt.size());
    const auto decoded = static_cast<int64_t>(generation.token_ids.size()) - 1;
    const double prefill = per_second(prompt, generation.prefill_ms);
    const double decode = decoded > 0 ? per_second(decoded, generation.decode_ms) : 0.0;
    if (json) {
      Json out = {{"prompt_token_ids", input.prompt}};
      out.update(generation_json(generation));
      out["timings"] = {{"load_ms", load_ms},
                        {"prefill_ms", generation.prefill_ms},
                        {"ttft_ms", load_ms + generation.prefill_ms},
                        {"decode_ms", generation.decode_ms},
                        {"prefill_tok_s", prefill},
                        {"decode_tok_s", decode}};
      print_json(out);
      return;
    }
    if (!input.tokenizer) {
      for (size_t i = 0; i < generation.token_ids.size(); ++i) {
        std::printf("%s%d", i ? "," : "", generation.token_ids[i]);
      }
    }
    write_output("\n");
    std::fprintf(stderr,
                 "prompt %ld tokens, %.1f tok/s; answer %ld tokens, %.1f tok/s; first token after "
                 "%.2f s (%s)\n",
                 static_cast<long>(prompt), prefill, static_cast<long>(decoded + 1), decode,
                 (load_ms + generation.prefill_ms) * 1e-3, finish_text(generation).c_str());
  }

  ModelFlags model_;
  SamplingFlags sampling_;
  FormFlags form_;
  std::string prompt_;
  std::string prompt_ids_;
  std::string system_;
  bool has_prompt_ = false, raw_ = false;
};

}  // namespace command_run

const CommandDef& run_command() {
  using namespace command_run;
  static const CommandDef def = {
      .name = "run",
      .help = "answer a prompt",
      .example = "ingot run smollm2-135m-instruct \"What is the capital of France?\"",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Run>()); }};
  return def;
}

}  // namespace ingot
