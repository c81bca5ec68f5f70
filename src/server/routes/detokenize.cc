#include "server/call.h"
#include "server/served_model.h"
#include "server/token_ids.h"

namespace ingot {
namespace route_detokenize {

const Schema& schema() {
  static const Schema schema = {
      "Detokenize",
      {{.name = "model", .kinds = kTextField, .max = 256},
       {.name = "tokens", .kinds = kListField, .max = 1 << 19, .required = true}}};
  return schema;
}

std::string decode(Call& call, const ServedModel& model) {
  const Json body = call.read_body(schema());
  model.check_wanted(body);
  const Tokenizer& tokenizer = model.require_tokenizer("tokens");
  const auto ids = read_token_ids(body["tokens"], "tokens", tokenizer.vocab_size());
  return tokenizer.decode(ids, false);
}

Task<> handle(Call& call) {
  const ServedModel& model = call.model();
  const std::string text = co_await call.on_worker([&] { return decode(call, model); });
  const Json body = {{"prompt", text}, {"content", text}};
  co_await call.reply(200, body);
}

}  // namespace route_detokenize

const RouteDef& detokenize_route() {
  using namespace route_detokenize;
  static const RouteDef def = {.name = "detokenize",
                               .method = Method::kPost,
                               .path = "/detokenize",
                               .access = Access::with_key(),
                               .help = "the text of token ids",
                               .handle = handle,
                               .body = schema};
  return def;
}

}  // namespace ingot
