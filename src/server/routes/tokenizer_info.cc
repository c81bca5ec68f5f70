#include "server/call.h"
#include "server/served_model.h"

namespace ingot {
namespace route_tokenizer_info {

// The text of a token; null where the model has none.
Json token(const Tokenizer& tokenizer, int32_t id) {
  if (id < 0) return nullptr;
  return std::string(tokenizer.token_text(id));
}

Task<> handle(Call& call) {
  const TextAssets& assets = *call.model().assets;
  const Tokenizer& tokenizer = call.model().require_tokenizer();
  const Json body = {
      {"bos_token", token(tokenizer, tokenizer.bos_id())},
      {"eos_token", token(tokenizer, tokenizer.eos_id())},
      {"chat_template",
       assets.template_source.empty() ? Json(nullptr) : Json(assets.template_source)},
      {"model_max_length", call.model().context}};
  co_await call.reply(200, body);
}

}  // namespace route_tokenizer_info

const RouteDef& tokenizer_info_route() {
  using namespace route_tokenizer_info;
  static const RouteDef def = {.name = "tokenizer_info",
                               .method = Method::kGet,
                               .path = "/tokenizer_info",
                               .access = Access::with_key(),
                               .help = "the tokenizer's marks and the chat template (vLLM's form)",
                               .handle = handle};
  return def;
}

}  // namespace ingot
