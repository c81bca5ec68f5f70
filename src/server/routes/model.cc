#include "server/call.h"
#include "server/model_json.h"

namespace ingot {
namespace route_model {

Task<> handle(Call& call) {
  const ServedModel& model = call.model();
  model.check_name(call.request().parameter);
  co_await call.reply(200, model_json(model, call.request().parameter));
}

}  // namespace route_model

const RouteDef& model_route() {
  using namespace route_model;
  static const RouteDef def = {.name = "model",
                               .method = Method::kGet,
                               .path = "/v1/models/{id}",
                               .access = Access::with_key(),
                               .help = "one of the models",
                               .handle = handle};
  return def;
}

}  // namespace ingot
