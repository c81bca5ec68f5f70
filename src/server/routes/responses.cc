#include <ctime>

#include "server/answers.h"
#include "server/api_error.h"
#include "server/chat_messages.h"
#include "server/chunk_writer.h"
#include "server/generation_fields.h"
#include "server/server_state.h"
#include "server/structured_outputs.h"

namespace ingot {
namespace route_responses {

// OpenAI's form of a chat whose answer is a list of items; text alone here.
const Schema& schema() {
  static const Schema schema = {
      "CreateResponse",
      joined_fields(
          {{{.name = "model", .kinds = kTextField, .max = 256},
            {.name = "input",
             .kinds = kTextField | kListField,
             .required = true,
             .help = "a text, or messages"},
            {.name = "instructions", .kinds = kTextField, .help = "a system message before them"},
            {.name = "max_output_tokens", .kinds = kIntegerField, .min = 1, .max = 1 << 30},
            sampling_field("temperature"),
            sampling_field("top_p"),
            {.name = "stream", .kinds = kBoolField},
            {.name = "tools", .use = FieldUse::kRefused, .neutral = Json::array()},
            {.name = "tool_choice", .use = FieldUse::kRefused, .neutral = "auto"},
            {.name = "parallel_tool_calls", .use = FieldUse::kRefused, .neutral = true},
            {.name = "text",
             .kinds = kObjectField,
             .fields = {{.name = "format", .kinds = kObjectField, .open = true},
                        {.name = "verbosity", .use = FieldUse::kRefused, .neutral = "medium"}},
             .help = "format: text, json_object, or json_schema with name and schema"},
            {.name = "truncation", .use = FieldUse::kRefused, .neutral = "disabled"},
            {.name = "background", .use = FieldUse::kRefused, .neutral = false},
            {.name = "include", .use = FieldUse::kRefused, .neutral = Json::array()},
            {.name = "reasoning", .use = FieldUse::kRefused, .neutral = Json::object()},
            {.name = "previous_response_id", .use = FieldUse::kRefused},
            {.name = "conversation", .use = FieldUse::kRefused},
            {.name = "prompt", .use = FieldUse::kRefused},
            {.name = "max_tool_calls", .use = FieldUse::kRefused},
            {.name = "top_logprobs", .use = FieldUse::kRefused, .neutral = 0},
            {.name = "stream_options",
             .kinds = kObjectField,
             .fields =
                 {{.name = "include_obfuscation", .use = FieldUse::kRefused, .neutral = false}}}},
           ignored_fields()})};
  return schema;
}

ApiError with_param(const ApiError& error, const std::string& param) {
  ApiError out = error;
  const std::string quoted = fmt::format("'{}'", error.param);
  if (const size_t at = out.message.find(quoted); at != out.message.npos) {
    out.message.replace(at, quoted.size(), fmt::format("'{}'", param));
  }
  out.param = param;
  return out;
}

Json messages_of(const Json& body) {
  Json out = Json::array();
  if (const Json* instructions = given(body, "instructions")) {
    out.push_back({{"role", "system"}, {"content", *instructions}});
  }
  const Json& input = body["input"];
  if (input.is_string()) {
    out.push_back({{"role", "user"}, {"content", input}});
    return out;
  }
  if (input.empty()) throw bad_request("input", "'input': expected messages, found none");
  for (size_t i = 0; i < input.size(); ++i) {
    const std::string path = fmt::format("input[{}]", i);
    const Json& item = input[i];
    const bool message = item.is_object() && item.contains("role") && item.contains("content") &&
                         (!item.contains("type") || item["type"] == "message");
    if (!message) {
      throw bad_request(path, fmt::format("'{}': expected a message with role and content", path));
    }
    static const Schema one = {"Item", message_fields()};
    const Json plain = {{"role", item["role"]}, {"content", item["content"]}};
    try {
      check_body(plain, one);
    } catch (const ApiError& error) {
      throw with_param(error, path + "." + error.param);
    }
    out.push_back(plain);
  }
  return out;
}

// An error of the chat's messages as one of the input.
ApiError in_input(const ApiError& error, const Json& body) {
  const std::string_view list = "messages";
  if (!error.param.starts_with(list)) return error;
  std::string path = error.param.substr(list.size());
  if (body["input"].is_string()) path.clear();
  size_t at = 0;
  if (path.starts_with('[') && given(body, "instructions") != nullptr) {
    const int index = std::stoi(path.substr(1), &at);
    if (index == 0) return with_param(error, "instructions");
    path = fmt::format("[{}{}", index - 1, path.substr(at + 1));
  }
  return with_param(error, "input" + path);
}

// "text.format" as chat's "response_format".
Json response_format_of(const Json& body) {
  const Json* text = given(body, "text");
  const Json* format = text != nullptr ? given(*text, "format") : nullptr;
  if (format == nullptr) return nullptr;
  if (!format->contains("type") || format->at("type") != "json_schema") return *format;
  Json out = {{"type", "json_schema"}, {"json_schema", *format}};
  out["json_schema"].erase("type");
  return out;
}

// A field of `inner` as the caller wrote it.
void put_in_callers_words(std::string& text) {
  for (const auto& [ours, theirs] : {std::pair{"response_format.json_schema", "text.format"},
                                     std::pair{"response_format", "text.format"}}) {
    const size_t at = text.find(ours);
    if (at != text.npos) text.replace(at, std::string_view(ours).size(), theirs);
  }
}

Json shown_fields(const Json& body, const SamplingParams& sampling) {
  const auto or_else = [](const Json& object, const char* name, const Json& fallback) {
    const Json* value = given(object, name);
    return value != nullptr ? *value : fallback;
  };
  const Json text = or_else(body, "text", Json::object());
  return {{"instructions", or_else(body, "instructions", nullptr)},
          {"max_output_tokens", or_else(body, "max_output_tokens", nullptr)},
          {"temperature", sampling.temperature},
          {"top_p", sampling.top_p},
          {"text", {{"format", or_else(text, "format", {{"type", "text"}})}}},
          {"metadata", or_else(body, "metadata", Json::object())}};
}

struct Job {
  GenerationWish wish;
  Request request;
  Json shown;  // fields of the request that the answer repeats
};

Job read_job(Call& call, const ServedModel& model) {
  const Json body = call.read_body(schema());
  Json inner = Json::object();
  for (const char* name : {"model", "temperature", "top_p", "stream"}) {
    if (body.contains(name)) inner[name] = body[name];
  }
  if (body.contains("max_output_tokens")) inner["max_tokens"] = body["max_output_tokens"];
  if (Json format = response_format_of(body); !format.is_null()) {
    inner["response_format"] = std::move(format);
  }
  Job out;
  try {
    static const Schema forms = {"Format", structure_fields()};
    Json form = Json::object();
    if (inner.contains("response_format")) form["response_format"] = inner["response_format"];
    check_body(form, forms);
    out.wish = read_generation(inner, model);
    if (out.wish.form) put_in_callers_words(out.wish.form->field);
  } catch (const ApiError& error) {
    ApiError told = error;
    put_in_callers_words(told.param);
    put_in_callers_words(told.message);
    throw told;
  }
  try {
    const Json chat = {{"messages", messages_of(body)}};
    call.prompt_field = "input";
    out.request =
        make_request(out.wish, chat_prompt(chat, *model.assets), model, call.prompt_field);
  } catch (const ApiError& error) {
    throw in_input(error, body);
  }
  out.shown = shown_fields(body, out.wish.input.sampling);
  return out;
}

// One answer: the "response" object and its message, as they stand.
class Answer {
 public:
  Answer(Call& call, const ServedModel& model, const Json& shown)
      : id_(call.server().new_id("resp_")),
        message_(call.server().new_id("msg_")),
        created_(std::time(nullptr)),
        model_(model.name),
        shown_(shown) {}

  const std::string& message() const { return message_; }

  static Json part(const std::string& text) {
    return {{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}};
  }

  Json item(const char* status, const Json& content) const {
    return {{"type", "message"},
            {"id", message_},
            {"status", status},
            {"role", "assistant"},
            {"content", content}};
  }

  // `answers`: null while it runs.
  Json response(const Answers* answers) const {
    Json out = {{"id", id_}, {"object", "response"}, {"created_at", created_}};
    const bool cut = answers != nullptr && answers->result(0).finish == FinishReason::kLength;
    out["status"] = answers == nullptr ? "in_progress" : cut ? "incomplete" : "completed";
    out["error"] = nullptr;
    out["incomplete_details"] = cut ? Json{{"reason", "max_output_tokens"}} : Json(nullptr);
    out["model"] = model_;
    out.update(shown_);
    out["output"] = Json::array();
    if (answers != nullptr) {
      const char* status = cut ? "incomplete" : "completed";
      out["output"].push_back(item(status, Json::array({part(answers->result(0).text)})));
    }
    out["parallel_tool_calls"] = true;
    out["tool_choice"] = "auto";
    out["tools"] = Json::array();
    out["truncation"] = "disabled";
    out["usage"] = answers == nullptr ? Json(nullptr) : usage(*answers);
    if (answers != nullptr) out["timings"] = answers->timings();
    return out;
  }

 private:
  static Json usage(const Answers& answers) {
    const int64_t input = answers.prompt_tokens(), output = answers.output_tokens();
    return {{"input_tokens", input},
            {"input_tokens_details", {{"cached_tokens", answers.cached_tokens()}}},
            {"output_tokens", output},
            {"output_tokens_details", {{"reasoning_tokens", 0}}},
            {"total_tokens", input + output}};
  }

  const std::string id_, message_;
  const int64_t created_;
  const std::string model_;
  const Json shown_;
};

class Stream {
 public:
  Stream(Call& call, ServedModel& model, const Job& job)
      : call_(call),
        text_(job.wish.text()),
        answer_(call, model, job.shown),
        answers_(
            call, model, [this](int32_t, const TextPiece& piece) { on_text(piece); }, nullptr) {}

  Task<> run(Request request) {
    answers_.submit(std::move(request), text_);
    open();
    const bool whole = co_await answers_.stream(pending_);
    if (!whole) co_return;
    close();
    co_await call_.send(pending_);
    co_await call_.end_events();
  }

 private:
  void event(std::string_view type, const Json& fields) {
    Json out = {{"type", type}, {"sequence_number", sequence_++}};
    out.update(fields);
    pending_ += fmt::format("event: {}\ndata: {}\n\n", type, out.dump());
  }

  Json place(const Json& more) const {
    Json out = {{"item_id", answer_.message()}, {"output_index", 0}, {"content_index", 0}};
    out.update(more);
    return out;
  }

  void open() {
    const Json response = answer_.response(nullptr);
    event("response.created", {{"response", response}});
    event("response.in_progress", {{"response", response}});
    event("response.output_item.added",
          {{"output_index", 0}, {"item", answer_.item("in_progress", Json::array())}});
    event("response.content_part.added", place({{"part", Answer::part("")}}));
  }

  void on_text(const TextPiece& piece) {
    if (piece.text.empty()) return;
    const Json fields = {{"delta", piece.text}, {"logprobs", Json::array()}};
    event("response.output_text.delta", place(fields));
  }

  void close() {
    const std::string& text = answers_.result(0).text;
    const Json response = answer_.response(&answers_);
    event("response.output_text.done", place({{"text", text}, {"logprobs", Json::array()}}));
    event("response.content_part.done", place({{"part", Answer::part(text)}}));
    event("response.output_item.done", {{"output_index", 0}, {"item", response["output"][0]}});
    const bool whole = response["status"] == "completed";
    event(whole ? "response.completed" : "response.incomplete", {{"response", response}});
  }

  Call& call_;
  const AnswerTextOptions text_;
  const Answer answer_;
  Answers answers_;
  std::string pending_;
  int64_t sequence_ = 0;
};

Task<> answer_whole(Call& call, ServedModel& model, Job& job) {
  Answers answers(call, model, nullptr, nullptr);
  answers.submit(std::move(job.request), job.wish.text());
  const bool whole = co_await answers.finish();
  if (!whole) co_return;
  const Answer answer(call, model, job.shown);
  const auto body = [&] { return answer.response(&answers); };
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

}  // namespace route_responses

const RouteDef& responses_route() {
  using namespace route_responses;
  static const RouteDef def = {.name = "responses",
                               .method = Method::kPost,
                               .path = "/v1/responses",
                               .access = Access::with_key(),
                               .help = "an answer as a list of items; nothing is stored",
                               .handle = handle,
                               .body = schema};
  return def;
}

}  // namespace ingot
