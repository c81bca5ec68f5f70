#include "server/call.h"
#include "server/model_json.h"

namespace ingot {
namespace route_models {

Task<> handle(Call& call) {
  const ServedModel& model = call.model();
  Json data = Json::array({model_json(model, model.name)});
  for (const std::string& alias : model.aliases) data.push_back(model_json(model, alias));
  const Json body = {{"object", "list"}, {"data", data}};
  co_await call.reply(200, body);
}

}  // namespace route_models

const RouteDef& models_route() {
  using namespace route_models;
  static const RouteDef def = {.name = "models",
                               .method = Method::kGet,
                               .path = "/v1/models",
                               .access = Access::with_key(),
                               .help = "the models that are served",
                               .handle = handle};
  return def;
}

}  // namespace ingot
