#include <ctime>

#include "server/answers.h"
#include "server/api_error.h"
#include "server/chunk_writer.h"
#include "server/generation_fields.h"
#include "server/server_state.h"

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
                      {.name = "echo", .use = FieldUse::kRefused, .neutral = false},
                      {.name = "suffix", .use = FieldUse::kRefused, .neutral = ""}},
                     generation_fields()})};
  return schema;
}

struct Job {
  GenerationWish wish;
  std::vector<Request> requests;
};

std::vector<int32_t> ids_of(const Json& list, const std::string& path, int64_t vocab_size) {
  std::vector<int32_t> out;
  for (const Json& id : list) {
    const std::string inner = fmt::format("{}[{}]", path, out.size());
    if (!id.is_number_integer() || id.get<double>() < 0 ||
        id.get<double>() >= static_cast<double>(vocab_size)) {
      throw bad_request(inner,
                        fmt::format("'{}': expected a token id, 0 to {}", inner, vocab_size - 1));
    }
    out.push_back(id.get<int32_t>());
  }
  if (out.empty()) throw bad_request(path, fmt::format("'{}': expected tokens, found none", path));
  return out;
}

std::vector<int32_t> prompt_of(const Json& prompt, const std::string& path, bool add_special,
                               const ServedModel& model) {
  if (prompt.is_array()) return ids_of(prompt, path, model.loop->limits().vocab_size);
  if (!prompt.is_string()) {
    throw bad_request(path, fmt::format("'{}': expected a string or a list of token ids", path));
  }
  try {
    return model.require_tokenizer().encode(prompt.get_ref<const std::string&>(),
                                            {.add_special = add_special});
  } catch (const Error& error) {
    throw api_error_of(error);
  }
}

Job read_job(Call& call, const ServedModel& model) {
  const Json body = call.read_body(schema());
  Job out{read_generation(body, model), {}};
  SamplingParams& sampling = out.wish.input.sampling;
  constexpr int64_t kDefaultTokens = 16;  // as OpenAI's API
  const bool limited = body.contains("max_tokens") && !body["max_tokens"].is_null();
  if (!limited) sampling.max_tokens = std::max(kDefaultTokens, sampling.min_tokens);
  if (body.contains("logprobs") && !body["logprobs"].is_null()) {
    sampling.logprobs = static_cast<int32_t>(body["logprobs"].get<double>());
  }
  const Json* add = body.contains("add_special_tokens") ? &body["add_special_tokens"] : nullptr;
  const bool add_special = add == nullptr || add->is_null() || add->get<bool>();
  const Json& prompt = body["prompt"];
  const bool one = prompt.is_string() || (!prompt.empty() && prompt[0].is_number());
  const Json prompts = one ? Json::array({prompt}) : prompt;
  if (prompts.empty() || static_cast<double>(prompts.size()) > kMostPrompts) {
    throw bad_request("prompt", fmt::format("'prompt': expected 1 to {} prompts, found {}",
                                            kMostPrompts, prompts.size()));
  }
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::string path = one ? "prompt" : fmt::format("prompt[{}]", i);
    out.requests.push_back(
        make_request(out.wish, prompt_of(prompts[i], path, add_special, model), model));
  }
  return out;
}

// OpenAI's older form: parallel lists. `offset`: of the first token in the choice's text.
Json legacy_logprobs(const Tokenizer& tokenizer, std::span<const int32_t> ids,
                     std::span<const TokenLogprobs> logprobs, size_t offset) {
  const auto name = [&](int32_t id) {
    const int32_t one[] = {id};
    return tokenizer.decode(one, false);
  };
  Json tokens = Json::array(), chosen = Json::array(), top = Json::array(), offsets = Json::array();
  for (size_t i = 0; i < logprobs.size(); ++i) {
    tokens.push_back(name(ids[i]));
    chosen.push_back(logprobs[i].chosen);
    offsets.push_back(offset);
    offset += tokenizer.token_bytes(ids[i]).size();
    Json best = Json::object();
    for (const auto& [id, logprob] : logprobs[i].top) best.emplace(name(id), logprob);
    top.push_back(std::move(best));
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(chosen)},
          {"top_logprobs", std::move(top)},
          {"text_offset", std::move(offsets)}};
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
        writer_(call.server().new_id("cmpl-"), "text_completion", std::time(nullptr), model.name,
                job.wish.include_usage && !job.wish.continuous_usage),
        answers_(
            call, model, [this](int32_t choice, const TextPiece& piece) { on_text(choice, piece); },
            [this](int32_t choice, const Generation& result) { on_end(choice, result); }) {}

  Task<> run() {
    for (Request& request : job_.requests) {
      offsets_.resize(offsets_.size() + static_cast<size_t>(request.sampling.n));
      answers_.submit(std::move(request), job_.wish.input.stops);
    }
    answers_.poll();
    co_await call_.start_events();
    while (true) {
      co_await call_.send(pending_);
      pending_.clear();
      const Answers::Step step = co_await answers_.next();
      if (step == Answers::Step::kGone) co_return;
      if (step == Answers::Step::kOver) break;
      if (step == Answers::Step::kQuiet) pending_ = ": ping\n\n";
    }
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

  void on_text(int32_t choice, const TextPiece& piece) {
    size_t& offset = offsets_[static_cast<size_t>(choice)];
    std::string logprobs = "null";
    if (!piece.logprobs.empty()) {
      logprobs = legacy_logprobs(*tokenizer_, piece.token_ids, piece.logprobs, offset).dump();
    }
    offset += piece.text.size();
    std::string fields = text_fields(logprobs, piece.text, "");
    if (job_.wish.return_token_ids) {
      fields += fmt::format(R"(,"token_ids":[{}])", fmt::join(piece.token_ids, ","));
    }
    writer_.append(choice, fields, usage_now(), pending_);
  }

  void on_end(int32_t choice, const Generation& result) {
    writer_.append(choice, text_fields("null", "", openai_finish_reason(result.finish)),
                   usage_now(), pending_);
  }

  Call& call_;
  Job& job_;
  const Tokenizer* tokenizer_;
  const ChunkWriter writer_;
  Answers answers_;
  std::vector<size_t> offsets_;  // bytes of each choice's text so far
  std::string pending_;
};

Task<> answer_whole(Call& call, ServedModel& model, Job& job) {
  Answers answers(call, model, nullptr, nullptr);
  for (Request& request : job.requests) {
    answers.submit(std::move(request), job.wish.input.stops);
  }
  const bool whole = co_await answers.finish();
  if (!whole) co_return;
  Json choices = Json::array();
  for (int32_t c = 0; c < answers.choices(); ++c) {
    const Generation& result = answers.result(c);
    Json choice = {{"index", c},
                   {"text", result.text},
                   {"logprobs", nullptr},
                   {"finish_reason", openai_finish_reason(result.finish)}};
    if (job.wish.input.sampling.logprobs >= 0 && model.assets->tokenizer) {
      const size_t known = std::min(result.text_tokens, result.logprobs.size());
      choice["logprobs"] = legacy_logprobs(*model.assets->tokenizer, result.token_ids,
                                           std::span(result.logprobs).first(known), 0);
    }
    if (job.wish.return_token_ids) choice["token_ids"] = result.token_ids;
    choices.push_back(std::move(choice));
  }
  const Json body = {{"id", call.server().new_id("cmpl-")},
                     {"object", "text_completion"},
                     {"created", std::time(nullptr)},
                     {"model", model.name},
                     {"system_fingerprint", "ingot"},
                     {"choices", choices},
                     {"usage", answers.usage()},
                     {"timings", answers.timings()}};
  co_await call.reply(200, body);
}

Task<> handle(Call& call) {
  ServedModel& model = call.model();
  Job job = co_await call.on_worker([&] { return read_job(call, model); });
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
