#include <ctime>

#include "server/answers.h"
#include "server/api_error.h"
#include "server/best_of.h"
#include "server/chat_messages.h"
#include "server/chunk_writer.h"
#include "server/generation_fields.h"
#include "server/prompt_logprobs.h"
#include "server/server_state.h"
#include "server/tools.h"

namespace ingot {
namespace route_chat_completions {

const Schema& schema() {
  static const Schema schema = {
      "CreateChatCompletion",
      joined_fields(
          {{{.name = "messages",
             .kinds = kListField,
             .min = 1,
             .max = 65536,
             .fields = message_fields(),
             .required = true},
            {.name = "max_completion_tokens", .kinds = kIntegerField, .min = 1, .max = 1 << 30},
            {.name = "logprobs", .kinds = kBoolField},
            {.name = "top_logprobs", .kinds = kIntegerField, .min = 0, .max = 20},
            {.name = "add_generation_prompt",
             .kinds = kBoolField,
             .help = "the opening of the answer behind the messages; true unless given"},
            {.name = "chat_template_kwargs",
             .kinds = kObjectField,
             .open = true,
             .help = "more variables of the chat template"},
            {.name = "documents", .kinds = kListField, .max = 4096},
            {.name = "reasoning_effort",
             .kinds = kTextField,
             .max = 64,
             .help = "given to the chat template"},
            {.name = "functions", .use = FieldUse::kRefused, .neutral = Json::array()},
            {.name = "function_call", .use = FieldUse::kRefused, .neutral = "none"},
            {.name = "continue_final_message",
             .kinds = kBoolField,
             .help =
                 "the answer goes on where the last message ends; with \"add_generation_prompt\": "
                 "false"},
            {.name = "echo", .use = FieldUse::kRefused, .neutral = false},
            {.name = "chat_template", .use = FieldUse::kRefused},
            {.name = "modalities", .use = FieldUse::kRefused, .neutral = Json::array({"text"})},
            {.name = "audio", .use = FieldUse::kRefused},
            {.name = "prediction", .use = FieldUse::kRefused},
            {.name = "web_search_options", .use = FieldUse::kRefused},
            {.name = "verbosity", .use = FieldUse::kRefused, .neutral = "medium"}},
           tool_fields(),
           generation_fields(1)})};
  return schema;
}

struct Job {
  GenerationWish wish;
  ToolWish tools;
  Request request;
};

Job read_job(Call& call, const ServedModel& model) {
  const Json body = call.read_body(schema());
  Job out{read_generation(body, model), read_tools(body, *model.assets), {}};
  const Json* wanted = given(body, "logprobs");
  const bool logprobs = wanted != nullptr && *wanted == true;
  const Json* top = given(body, "top_logprobs");
  if (top != nullptr && !logprobs) {
    throw bad_request("top_logprobs", "'top_logprobs': goes with \"logprobs\": true alone");
  }
  if (auto form = form_beside_calls(out.tools, out.wish.form, body, *model.assets)) {
    out.wish.form.reset();
    hold_to(std::move(*form), body, model, out.wish);
  }
  if (logprobs) {
    out.wish.logprobs = top != nullptr ? static_cast<int32_t>(top->get<double>()) : 0;
  }
  call.add_ignored(unread_fields(body, *model.assets));
  call.prompt_field = "messages";
  out.request = make_request(out.wish, chat_prompt(body, *model.assets), model, call.prompt_field);
  return out;
}

// OpenAI's rule: calls of a tool that the caller named end as text does.
std::string_view finish_of_calls(const ToolWish& tools, std::string_view finish) {
  return finish == "stop" && !tools.named ? "tool_calls" : finish;
}

std::string new_call_id(Call& call, const ToolWish& tools) {
  return fitting_call_id(call.server().new_id("call_"), *tools.format);
}

std::string token_ids_json(std::span<const int32_t> ids) {
  return fmt::format("[{}]", fmt::join(ids, ","));
}

// The events of one answer as they come.
class Stream {
 public:
  Stream(Call& call, ServedModel& model, const Job& job)
      : call_(call),
        wish_(job.wish),
        tools_(job.tools),
        tokenizer_(*model.assets->tokenizer),
        writer_(answer_id("chatcmpl-", job.wish, call.server()), "chat.completion.chunk",
                std::time(nullptr), model.name, wish_.include_usage && !wish_.continuous_usage),
        answers_(
            call, model, [this](int32_t choice, const TextPiece& piece) { on_text(choice, piece); },
            [this](int32_t choice, const Generation& result) { on_end(choice, result); }) {}

  Task<> run(Request request) {
    const int32_t choices = request.sampling.n;
    const std::vector<int32_t> prompt =
        wish_.return_token_ids ? request.prompt : std::vector<int32_t>();
    answers_.submit(std::move(request), wish_.text(tools_.shown));
    if (tools_.format != nullptr) add_parsers(choices);
    for (int32_t c = 0; c < choices; ++c) {
      const std::string more =
          wish_.return_token_ids ? ",\"prompt_token_ids\":" + token_ids_json(prompt) : "";
      writer_.append(
          c, R"("delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null)",
          more + usage_now(), pending_);
    }
    const bool whole = co_await answers_.stream(pending_);
    if (!whole) co_return;
    if (wish_.include_usage) {
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
    return wish_.continuous_usage ? ",\"usage\":" + answers_.usage().dump() : "";
  }

  struct Parsed {
    std::unique_ptr<DeltaAnswer> deltas;
    std::unique_ptr<ToolParser> parser;
  };

  void add_parsers(int32_t choices) {
    for (int32_t c = 0; c < choices; ++c) {
      Parsed one;
      one.deltas =
          std::make_unique<DeltaAnswer>(tools_, [this] { return new_call_id(call_, tools_); });
      one.parser = tool_parser(tools_, *one.deltas);
      parsed_.push_back(std::move(one));
    }
  }

  void on_text(int32_t choice, const TextPiece& piece) {
    std::vector<std::string> deltas;
    if (parsed_.empty()) {
      fields_ = R"({"content":)";
      append_json_string(piece.text, fields_);
      deltas.push_back(fields_ + "}");
    } else {
      Parsed& one = parsed_[static_cast<size_t>(choice)];
      one.parser->push(piece.text);
      deltas = one.deltas->take();
      // Tokens whose text waits are told all the same, with what they are.
      const bool tell = !piece.logprobs.empty() || wish_.return_token_ids;
      if (deltas.empty() && tell) deltas.emplace_back("{}");
    }
    for (size_t i = 0; i < deltas.size(); ++i)
      append_delta(choice, deltas[i], i == 0 ? &piece : nullptr);
  }

  // `piece`: its tokens go with this delta.
  void append_delta(int32_t choice, const std::string& delta, const TextPiece* piece) {
    fields_ = R"("delta":)" + delta + R"(,"logprobs":)";
    const bool known = piece != nullptr && !piece->logprobs.empty();
    fields_ += known ? chat_logprobs(tokenizer_, piece->token_ids, piece->logprobs).dump() : "null";
    fields_ += R"(,"finish_reason":null)";
    if (wish_.return_token_ids && piece != nullptr) {
      fields_ += ",\"token_ids\":" + token_ids_json(piece->token_ids);
    }
    writer_.append(choice, fields_, usage_now(), pending_);
  }

  void on_end(int32_t choice, const Generation& result) {
    std::string_view finish = openai_finish_reason(result.finish);
    if (!parsed_.empty()) {
      Parsed& one = parsed_[static_cast<size_t>(choice)];
      one.parser->end();
      for (const std::string& delta : one.deltas->take()) append_delta(choice, delta, nullptr);
      if (one.deltas->has_calls()) finish = finish_of_calls(tools_, finish);
    }
    fields_ = fmt::format(R"("delta":{{}},"logprobs":null,"finish_reason":"{}")", finish);
    std::string more = usage_now();
    if (!wish_.include_usage) more += ",\"timings\":" + answers_.timings().dump();
    writer_.append(choice, fields_, more, pending_);
  }

  Call& call_;
  const GenerationWish& wish_;
  const ToolWish& tools_;
  std::vector<Parsed> parsed_;  // of each choice, if there are tools
  const Tokenizer& tokenizer_;
  const ChunkWriter writer_;
  Answers answers_;
  std::string pending_, fields_;
};

Json choice_json(Call& call, const Job& job, const Tokenizer& tokenizer, int32_t index,
                 const Generation& result) {
  const GenerationWish& wish = job.wish;
  WholeAnswer answer(job.tools);
  if (job.tools.format != nullptr) {
    const auto parser = tool_parser(job.tools, answer);
    parser->push(result.text);
    parser->end();
  } else {
    answer.content(result.text);
  }
  std::string_view finish = openai_finish_reason(result.finish);
  if (answer.has_calls()) finish = finish_of_calls(job.tools, finish);
  const auto printed = std::span(result.token_ids).first(result.text_tokens);
  Json out = {{"index", index},
              {"message", answer.message([&] { return new_call_id(call, job.tools); })},
              {"logprobs", nullptr},
              {"finish_reason", finish}};
  if (wish.logprobs >= 0) {
    const size_t known = std::min(printed.size(), result.logprobs.size());
    out["logprobs"] = chat_logprobs(tokenizer, printed, std::span(result.logprobs).first(known));
  }
  if (wish.return_token_ids) out["token_ids"] = result.token_ids;
  return out;
}

Task<> answer_whole(Call& call, ServedModel& model, Job& job) {
  Answers answers(call, model, nullptr, nullptr);
  const std::vector<int32_t> prompt = job.request.prompt;
  answers.submit(std::move(job.request), job.wish.text(job.tools.shown));
  const bool whole = co_await answers.finish();
  if (!whole) co_return;
  const auto body = [&] {
    Json choices = Json::array();
    for (const int32_t c : answered_choices(answers, job.wish)) {
      choices.push_back(choice_json(call, job, *model.assets->tokenizer,
                                    static_cast<int32_t>(choices.size()), answers.result(c)));
    }
    Json out = {{"id", answer_id("chatcmpl-", job.wish, call.server())},
                {"object", "chat.completion"},
                {"created", std::time(nullptr)},
                {"model", model.name},
                {"system_fingerprint", "ingot"},
                {"choices", choices},
                {"usage", answers.usage()},
                {"timings", answers.timings()}};
    if (job.wish.return_token_ids) out["prompt_token_ids"] = prompt;
    if (job.wish.prompt_logprobs >= 0) {
      out["prompt_logprobs"] =
          prompt_logprobs_json(*model.assets->tokenizer, prompt, answers.result(0).prompt_logprobs,
                               job.wish.prompt_logprobs);
    }
    return out;
  };
  co_await call.reply_made(answers.reply_values(), body);
}

Task<> handle(Call& call) {
  ServedModel& model = call.model();
  Job job = co_await call.on_worker([&] { return read_job(call, model); });
  co_await hold_requests(call, model, job.wish, {&job.request, 1});
  if (job.wish.stream) {
    Request request = std::move(job.request);
    Stream stream(call, model, job);
    co_await stream.run(std::move(request));
  } else {
    co_await answer_whole(call, model, job);
  }
}

}  // namespace route_chat_completions

const RouteDef& chat_completions_route() {
  using namespace route_chat_completions;
  static const RouteDef def = {.name = "chat_completions",
                               .method = Method::kPost,
                               .path = "/v1/chat/completions",
                               .access = Access::with_key(),
                               .help = "the next message of a conversation",
                               .handle = handle,
                               .body = schema};
  return def;
}

}  // namespace ingot
