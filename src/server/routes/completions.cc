#include <ctime>

#include "server/answers.h"
#include "server/api_error.h"
#include "server/best_of.h"
#include "server/chunk_writer.h"
#include "server/generation_fields.h"
#include "server/prompt_logprobs.h"
#include "server/server_state.h"
#include "server/token_ids.h"

namespace ingot {
namespace route_completions {

constexpr double kMostPrompts = 256;

const Schema& schema() {
  static const Schema schema = {
      "CreateCompletion",
      joined_fields({{{.name = "prompt",
                       .kinds = kTextField | kListField,
                       .required = true,
                       .help = "a text, a list of texts, a list of token ids, or a list of such"},
                      {.name = "logprobs", .kinds = kIntegerField, .min = 0, .max = 20},
                      {.name = "add_special_tokens", .kinds = kBoolField},
                      {.name = "echo",
                       .kinds = kBoolField,
                       .help = "the prompt before its continuation, its tokens in logprobs too"},
                      {.name = "suffix", .use = FieldUse::kRefused, .neutral = ""}},
                     generation_fields(0)})};
  return schema;
}

struct Prompt {
  std::vector<int32_t> ids;
  std::string text;  // what echo gives out
};

struct Job {
  GenerationWish wish;
  std::vector<Request> requests;
  std::vector<Prompt> prompts;  // of each request
};

std::vector<int32_t> prompt_of(const Json& prompt, const std::string& path, bool add_special,
                               const ServedModel& model) {
  if (prompt.is_array()) {
    auto ids = read_token_ids(prompt, path, model.loop->limits().vocab_size);
    if (ids.empty())
      throw bad_request(path, fmt::format("'{}': expected tokens, found none", path));
    return ids;
  }
  if (!prompt.is_string()) {
    throw bad_request(path, fmt::format("'{}': expected a string or a list of token ids", path));
  }
  try {
    return model.require_tokenizer(path).encode(prompt.get_ref<const std::string&>(),
                                                {.add_special = add_special});
  } catch (const Error& error) {
    throw api_error_of(error);
  }
}

std::string text_of(const Json& prompt, std::span<const int32_t> ids, const ServedModel& model) {
  if (prompt.is_string()) return prompt.get<std::string>();
  try {
    return model.require_tokenizer().decode(ids);
  } catch (const Error& error) {
    throw api_error_of(error);
  }
}

Job read_job(Call& call, const ServedModel& model) {
  const Json body = call.read_body(schema());
  Job out{read_generation(body, model), {}, {}};
  SamplingParams& sampling = out.wish.input.sampling;
  constexpr int64_t kDefaultTokens = 16;  // as OpenAI's API
  if (given(body, "max_tokens") == nullptr)
    sampling.max_tokens = std::max(kDefaultTokens, sampling.min_tokens);
  if (const Json* count = given(body, "logprobs")) {
    out.wish.logprobs = static_cast<int32_t>(count->get<double>());
  }
  out.wish.echo = body.contains("echo") && body["echo"] == true;
  if (out.wish.echo) model.require_tokenizer("echo");
  const Json* add = given(body, "add_special_tokens");
  const bool add_special = add == nullptr || add->get<bool>();
  const Json& prompt = body["prompt"];
  const bool one = prompt.is_string() || (!prompt.empty() && prompt[0].is_number());
  const Json prompts = one ? Json::array({prompt}) : prompt;
  if (prompts.empty() || static_cast<double>(prompts.size()) > kMostPrompts) {
    throw bad_request("prompt", fmt::format("'prompt': expected 1 to {} prompts, found {}",
                                            kMostPrompts, prompts.size()));
  }
  const int64_t values_of_token =
      (std::max(out.wish.prompt_logprobs, out.wish.echo ? out.wish.logprobs : -1) + 1) *
      int64_t{out.wish.choices};
  int64_t values = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::string path = one ? "prompt" : fmt::format("prompt[{}]", i);
    Prompt kept;
    kept.ids = prompt_of(prompts[i], path, add_special, model);
    values += static_cast<int64_t>(kept.ids.size()) * values_of_token;
    if (values > kMaxPromptValues) {
      throw bad_request("prompt",
                        fmt::format("'prompt': log probabilities of more than {} values of "
                                    "prompts",
                                    kMaxPromptValues));
    }
    if (out.wish.echo) kept.text = text_of(prompts[i], kept.ids, model);
    out.requests.push_back(make_request(out.wish, kept.ids, model, path));
    out.prompts.push_back(std::move(kept));
  }
  return out;
}

std::string text_fields(const std::string& logprobs, std::string_view text,
                        std::string_view finish) {
  std::string out = R"("text":)";
  append_json_string(text, out);
  out += R"(,"logprobs":)" + logprobs + R"(,"finish_reason":)";
  out += finish.empty() ? "null" : fmt::format("\"{}\"", finish);
  return out;
}

class Stream {
 public:
  Stream(Call& call, ServedModel& model, Job& job)
      : call_(call),
        job_(job),
        tokenizer_(model.assets->tokenizer.get()),
        writer_(answer_id("cmpl-", job.wish, call.server()), "text_completion", std::time(nullptr),
                model.name, job.wish.include_usage && !job.wish.continuous_usage),
        answers_(
            call, model, [this](int32_t choice, const TextPiece& piece) { on_text(choice, piece); },
            [this](int32_t choice, const Generation& result) { on_end(choice, result); }) {}

  Task<> run() {
    for (Request& request : job_.requests) {
      echoed_.resize(echoed_.size() + static_cast<size_t>(request.sampling.n), !job_.wish.echo);
      offsets_.resize(offsets_.size() + static_cast<size_t>(request.sampling.n));
      answers_.submit(std::move(request), job_.wish.text());
    }
    const bool whole = co_await answers_.stream(pending_);
    if (!whole) co_return;
    if (job_.wish.include_usage) {
      writer_.append_without_choices(
          fmt::format(R"(,"usage":{},"timings":{})", answers_.usage().dump(),
                      answers_.timings().dump()),
          pending_);
    }
    pending_ += "data: [DONE]\n\n";
    co_await call_.send(pending_);
    co_await call_.end_events();
  }

 private:
  std::string usage_now() const {
    return job_.wish.continuous_usage ? ",\"usage\":" + answers_.usage().dump() : "";
  }

  // The prompt, before a choice's first text or its end.
  void echo(int32_t choice) {
    const auto c = static_cast<size_t>(choice);
    if (echoed_[c]) return;
    echoed_[c] = true;
    const int32_t drawn = job_.wish.input.sampling.n;
    const Prompt& prompt = job_.prompts[c / static_cast<size_t>(drawn)];
    std::string logprobs = "null";
    if (job_.wish.logprobs >= 0) {
      LegacyLogprobs lists(*tokenizer_, 0, job_.wish.logprobs);
      lists.add_prompt(prompt.ids, answers_.result(choice / drawn * drawn).prompt_logprobs,
                       prompt.text);
      logprobs = lists.json().dump();
    }
    offsets_[c] = characters(prompt.text);
    writer_.append(choice, text_fields(logprobs, prompt.text, ""), usage_now(), pending_);
  }

  void on_text(int32_t choice, const TextPiece& piece) {
    // Ids without text are for who asked for them.
    const bool ids = job_.wish.return_token_ids || job_.wish.continuous_usage;
    if (tokenizer_ == nullptr && !ids) return;
    echo(choice);
    size_t& offset = offsets_[static_cast<size_t>(choice)];
    std::string logprobs = "null";
    if (!piece.logprobs.empty()) {
      LegacyLogprobs lists(*tokenizer_, offset, job_.wish.logprobs);
      lists.add(piece.token_ids, piece.logprobs);
      logprobs = lists.json().dump();
    }
    offset += characters(piece.text);
    std::string fields = text_fields(logprobs, piece.text, "");
    if (job_.wish.return_token_ids) {
      fields += fmt::format(R"(,"token_ids":[{}])", fmt::join(piece.token_ids, ","));
    }
    writer_.append(choice, fields, usage_now(), pending_);
  }

  void on_end(int32_t choice, const Generation& result) {
    echo(choice);
    std::string more = usage_now();
    if (!job_.wish.include_usage) more += ",\"timings\":" + answers_.timings().dump();
    writer_.append(choice, text_fields("null", "", openai_finish_reason(result.finish)), more,
                   pending_);
  }

  Call& call_;
  Job& job_;
  const Tokenizer* tokenizer_;
  const ChunkWriter writer_;
  Answers answers_;
  std::vector<size_t> offsets_;  // characters of each choice's text so far
  std::vector<bool> echoed_;     // choices whose prompt was handed out, or is not wanted
  std::string pending_;
};

Json choice_json(const TextAssets& assets, const Job& job, const Answers& answers, int32_t c,
                 size_t index) {
  const Generation& result = answers.result(c);
  const int32_t drawn = job.wish.input.sampling.n;
  const Prompt& prompt = job.prompts[static_cast<size_t>(c / drawn)];
  const auto& prompt_logprobs = answers.result(c / drawn * drawn).prompt_logprobs;
  Json out = {{"index", index},
              {"text", prompt.text + result.text},
              {"logprobs", nullptr},
              {"finish_reason", openai_finish_reason(result.finish)}};
  if (job.wish.logprobs >= 0 && assets.tokenizer) {
    LegacyLogprobs lists(*assets.tokenizer, 0, job.wish.logprobs);
    if (job.wish.echo) lists.add_prompt(prompt.ids, prompt_logprobs, prompt.text);
    const size_t known = std::min(result.text_tokens, result.logprobs.size());
    lists.add(std::span(result.token_ids).first(known), std::span(result.logprobs).first(known));
    out["logprobs"] = lists.json();
  }
  if (job.wish.prompt_logprobs >= 0 && assets.tokenizer) {
    out["prompt_logprobs"] = prompt_logprobs_json(*assets.tokenizer, prompt.ids, prompt_logprobs,
                                                  job.wish.prompt_logprobs);
  }
  if (job.wish.return_token_ids) out["token_ids"] = result.token_ids;
  return out;
}

Task<> answer_whole(Call& call, ServedModel& model, Job& job) {
  Answers answers(call, model, nullptr, nullptr);
  for (Request& request : job.requests) {
    answers.submit(std::move(request), job.wish.text());
  }
  const bool whole = co_await answers.finish();
  if (!whole) co_return;
  const auto body = [&] {
    Json choices = Json::array();
    for (const int32_t c : answered_choices(answers, job.wish)) {
      choices.push_back(choice_json(*model.assets, job, answers, c, choices.size()));
    }
    return Json{{"id", answer_id("cmpl-", job.wish, call.server())},
                {"object", "text_completion"},
                {"created", std::time(nullptr)},
                {"model", model.name},
                {"system_fingerprint", "ingot"},
                {"choices", choices},
                {"usage", answers.usage()},
                {"timings", answers.timings()}};
  };
  co_await call.reply_made(answers.reply_values(), body);
}

Task<> handle(Call& call) {
  ServedModel& model = call.model();
  Job job = co_await call.on_worker([&] { return read_job(call, model); });
  co_await hold_requests(call, model, job.wish, job.requests);
  if (job.wish.stream) {
    Stream stream(call, model, job);
    co_await stream.run();
  } else {
    co_await answer_whole(call, model, job);
  }
}

}  // namespace route_completions

const RouteDef& completions_route() {
  using namespace route_completions;
  static const RouteDef def = {.name = "completions",
                               .method = Method::kPost,
                               .path = "/v1/completions",
                               .access = Access::with_key(),
                               .help = "the continuation of a text",
                               .handle = handle,
                               .body = schema};
  return def;
}

}  // namespace ingot
