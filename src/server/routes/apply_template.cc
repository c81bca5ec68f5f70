#include "server/call.h"
#include "server/chat_messages.h"
#include "server/served_model.h"
#include "server/tools.h"

namespace ingot {
namespace route_apply_template {

const Schema& schema() {
  static const Schema schema = {
      "ApplyTemplate",
      {{.name = "model", .kinds = kTextField, .max = 256},
       {.name = "messages",
        .kinds = kListField,
        .min = 1,
        .max = 65536,
        .fields = message_fields(),
        .required = true},
       {.name = "add_generation_prompt", .kinds = kBoolField},
       {.name = "continue_final_message", .kinds = kBoolField},
       {.name = "chat_template_kwargs", .kinds = kObjectField, .open = true},
       {.name = "documents", .kinds = kListField, .max = 4096},
       {.name = "reasoning_effort", .kinds = kTextField, .max = 64},
       tool_list_field()}};
  return schema;
}

std::string render(Call& call, const ServedModel& model) {
  const Json body = call.read_body(schema());
  model.check_wanted(body);
  call.add_ignored(unread_fields(body, *model.assets));
  return chat_text(chat_segments(body, *model.assets));
}

Task<> handle(Call& call) {
  const ServedModel& model = call.model();
  const std::string prompt = co_await call.on_worker([&] { return render(call, model); });
  const Json body = {{"prompt", prompt}};
  co_await call.reply(200, body);
}

}  // namespace route_apply_template

const RouteDef& apply_template_route() {
  using namespace route_apply_template;
  static const RouteDef def = {.name = "apply_template",
                               .method = Method::kPost,
                               .path = "/apply-template",
                               .access = Access::with_key(),
                               .help = "a conversation as the chat template writes it",
                               .handle = handle,
                               .body = schema};
  return def;
}

}  // namespace ingot
