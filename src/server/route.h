// The contract of an endpoint: server/routes/<name>.cc defines `const RouteDef& <name>_route()`.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string_view>
#include <vector>

#include "server/schema.h"

namespace ingot {

class Call;  // server/call.h

// A coroutine. GCC 12 makes wrong code of a co_await inside a condition with &&, || or ?:, in the
// condition of a loop and in +=: it stands as a statement or initializes a variable
// (`./check layers` looks).
template <typename T = void>
using Task = boost::asio::awaitable<T>;

// Who may call an endpoint. It has no default: an endpoint that does not say does not compile.
class Access {
 public:
  static constexpr Access anybody() { return Access(true); }
  static constexpr Access with_key() { return Access(false); }  // where the server has keys
  constexpr bool is_public() const { return public_; }

 private:
  constexpr explicit Access(bool anybody) : public_(anybody) {}
  bool public_;
};

enum class Method : uint8_t { kGet, kPost };

struct RouteDef {
  std::string_view name;  // equal to the file's stem
  Method method;
  // "/v1/models/{id}": {id} takes the rest of the path. All but the page at "/" are found with and
  // without /v1; /openapi.json lists them as they stand here.
  std::string_view path;
  Access access;
  std::string_view help;  // one line, for /openapi.json
  // Answers, or throws ApiError or Error. Runs on one of the server's I/O threads: what takes
  // longer than some 100 us goes to Call::on_worker().
  Task<> (*handle)(Call& call);
  const Schema& (*body)() = nullptr;  // of a JSON body; null: none is read
  bool while_loading = false;         // answers before the model is there, and while draining
  // Of an answer of status 200, for /openapi.json; event streams of bodies with "stream" come
  // beside it.
  std::string_view content = "application/json";
};

// Generated from server/routes/*.cc.
const std::vector<const RouteDef*>& server_route_list();

// A request's path and method among the endpoints.
struct RouteMatch {
  const RouteDef* route = nullptr;  // null: none has this path
  bool method_fits = false;
  std::string parameter;  // what {id} stood for, percent-decoded
};
RouteMatch find_route(std::string_view method, std::string_view path);

}  // namespace ingot
