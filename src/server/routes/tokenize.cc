#include "server/api_error.h"
#include "server/call.h"
#include "server/chat_messages.h"
#include "server/served_model.h"
#include "server/tools.h"

namespace ingot {
namespace route_tokenize {

const Schema& schema() {
  static const Schema schema = {
      "Tokenize",
      {{.name = "model", .kinds = kTextField, .max = 256},
       {.name = "prompt", .kinds = kTextField, .help = "vLLM's name of the text"},
       {.name = "content", .kinds = kTextField, .help = "llama-server's name of the text"},
       {.name = "messages",
        .kinds = kListField,
        .min = 1,
        .max = 65536,
        .fields = message_fields()},
       {.name = "add_special_tokens", .kinds = kBoolField},
       {.name = "add_special", .kinds = kBoolField},
       {.name = "parse_special", .kinds = kBoolField},
       {.name = "return_token_strs", .kinds = kBoolField},
       {.name = "with_pieces", .kinds = kBoolField},
       {.name = "add_generation_prompt", .kinds = kBoolField},
       {.name = "continue_final_message", .kinds = kBoolField},
       {.name = "chat_template_kwargs", .kinds = kObjectField, .open = true},
       {.name = "documents", .kinds = kListField, .max = 4096},
       tool_list_field()}};
  return schema;
}

bool flag(const Json& body, const char* name, bool fallback) {
  const Json* value = given(body, name);
  return value ? value->get<bool>() : fallback;
}

std::vector<int32_t> encode(const Json& body, const ServedModel& model) {
  const Tokenizer& tokenizer = model.require_tokenizer("prompt");
  const bool messages = given(body, "messages") != nullptr;
  const char* text = given(body, "prompt") ? "prompt" : "content";
  if (messages == (given(body, text) != nullptr)) {
    throw bad_request("prompt", "expected either 'prompt' (or 'content') or 'messages'");
  }
  if (messages) return chat_prompt(body, *model.assets);
  const EncodeOptions options = {
      .add_special = flag(body, "add_special_tokens",
                          flag(body, "add_special", std::string_view(text) == "prompt")),
      .parse_special = flag(body, "parse_special", true)};
  return tokenizer.encode(body[text].get_ref<const std::string&>(), options);
}

Json answer(Call& call, const ServedModel& model) {
  const Json body = call.read_body(schema());
  model.check_wanted(body);
  call.add_ignored(unread_fields(body, *model.assets));
  const std::vector<int32_t> ids = encode(body, model);
  Json out = {{"count", ids.size()}, {"max_model_len", model.context}, {"tokens", ids}};
  const bool pieces = flag(body, "with_pieces", false);
  if (pieces) out["tokens"] = Json::array();
  if (pieces || flag(body, "return_token_strs", false)) {
    Json strings = Json::array();
    for (const int32_t id : ids) {
      const std::string piece(model.assets->tokenizer->token_text(id));
      strings.push_back(piece);
      if (pieces) out["tokens"].push_back({{"id", id}, {"piece", piece}});
    }
    out["token_strs"] = std::move(strings);
  }
  return out;
}

Task<> handle(Call& call) {
  const ServedModel& model = call.model();
  const Json out = co_await call.on_worker([&] { return answer(call, model); });
  co_await call.reply(200, out);
}

}  // namespace route_tokenize

const RouteDef& tokenize_route() {
  using namespace route_tokenize;
  static const RouteDef def = {.name = "tokenize",
                               .method = Method::kPost,
                               .path = "/tokenize",
                               .access = Access::with_key(),
                               .help = "a text's token ids, or a conversation's",
                               .handle = handle,
                               .body = schema};
  return def;
}

}  // namespace ingot
