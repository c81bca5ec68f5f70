#include <algorithm>

#include "server/call.h"
#include "server/http_status.h"

namespace ingot {
namespace route_openapi {

Json error_schema() {
  const Json text_or_null = {{"type", {"string", "null"}}};
  return {{"type", "object"},
          {"required", {"error"}},
          {"properties",
           {{"error",
             {{"type", "object"},
              {"required", {"message", "type", "param", "code"}},
              {"properties",
               {{"message", {{"type", "string"}}},
                {"type", {{"type", "string"}}},
                {"param", text_or_null},
                {"code", text_or_null}}}}}}}};
}

// The content of a 200.
Json content_of(const RouteDef& route) {
  Json out = Json::object();
  const bool json = route.content == "application/json";
  out[std::string(route.content)] = json ? Json{{"schema", {{"type", "object"}}}} : Json::object();
  const auto is_stream = [](const Field& field) {
    return field.name == "stream" && field.use == FieldUse::kHonoured;
  };
  if (route.body != nullptr &&
      std::any_of(route.body().fields.begin(), route.body().fields.end(), is_stream)) {
    out["text/event-stream"] = Json::object();
  }
  return out;
}

Json responses_of(const RouteDef& route) {
  Json out = {{"200", {{"description", "the answer"}, {"content", content_of(route)}}}};
  for (const HttpStatus& status : http_statuses()) {
    if (status.why.empty()) continue;
    out[std::to_string(status.code)] = {
        {"description", status.why},
        {"content",
         {{"application/json", {{"schema", {{"$ref", "#/components/schemas/Error"}}}}}}}};
  }
  return out;
}

Json operation_of(const RouteDef& route) {
  Json out = {
      {"operationId", route.name}, {"summary", route.help}, {"responses", responses_of(route)}};
  if (route.access.is_public()) out["security"] = Json::array();
  if (route.body != nullptr) {
    out["requestBody"] = {
        {"required", true},
        {"content",
         {{"application/json",
           {{"schema", {{"$ref", fmt::format("#/components/schemas/{}", route.body().name)}}}}}}}};
  }
  const size_t brace = route.path.find('{');
  if (brace != route.path.npos) {
    out["parameters"] =
        Json::array({{{"name", route.path.substr(brace + 1, route.path.size() - brace - 2)},
                      {"in", "path"},
                      {"required", true},
                      {"schema", {{"type", "string"}}}}});
  }
  return out;
}

Json description() {
  Json paths = Json::object(), schemas = {{"Error", error_schema()}};
  for (const RouteDef* route : server_route_list()) {
    const char* method = route->method == Method::kGet ? "get" : "post";
    paths[std::string(route->path)][method] = operation_of(*route);
    if (route->body == nullptr) continue;
    schemas[std::string(route->body().name)] = json_schema_of(route->body());
  }
  return {{"openapi", "3.1.0"},
          {"info", {{"title", "Ingot"}, {"version", INGOT_VERSION}}},
          {"paths", paths},
          {"components",
           {{"schemas", schemas},
            {"securitySchemes", {{"key", {{"type", "http"}, {"scheme", "bearer"}}}}}}},
          {"security", Json::array({{{"key", Json::array()}}})}};
}

Task<> handle(Call& call) {
  static const Json out = description();
  co_await call.reply(200, out);
}

}  // namespace route_openapi

const RouteDef& openapi_route() {
  using namespace route_openapi;
  static const RouteDef def = {.name = "openapi",
                               .method = Method::kGet,
                               .path = "/openapi.json",
                               .access = Access::with_key(),
                               .help = "this description",
                               .handle = handle,
                               .while_loading = true};
  return def;
}

}  // namespace ingot
