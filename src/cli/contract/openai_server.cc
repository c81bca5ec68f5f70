#include "cli/contract/openai_server.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"

namespace ingot {

namespace asio = boost::asio;

namespace openai_server {

constexpr size_t kMostMessage = 200;

std::string shortened(std::string_view text) {
  std::string line(text.substr(0, kMostMessage));
  std::replace(line.begin(), line.end(), '\n', ' ');
  return printable_start(line, kMostMessage);
}

const std::string* text_at(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? &at->get_ref<const std::string&>() : nullptr;
}

// What helps, by the status; empty: nothing that we know.
std::string advice(const HttpTarget& target, const ClientAnswer& answer) {
  const bool json = Json::accept(answer.body);
  switch (answer.status) {
    case 401:
      return target.options().api_key.empty()
                 ? "; give a key by --api-key, INGOT_API_KEY or OPENAI_API_KEY"
                 : "; the key that was shown is not taken";
    case 404:
      return json ? "" : "; expected the address of an OpenAI server, without its /v1/…";
    case 429:
    case 503: {
      const std::string_view wait = answer.header("retry-after");
      return wait.empty() ? "" : fmt::format("; try again in {} s", shortened(wait));
    }
    default:
      break;
  }
  const std::string_view location = answer.header("location");
  if (answer.status >= 300 && answer.status < 400 && !location.empty()) {
    return fmt::format("; it moved to {}", shortened(location));
  }
  return "";
}

Task<ClientAnswer> get(ClientConnection& client, const ClientRequest& request) {
  ClientAnswer answer = co_await client.call(request);
  co_return answer;
}

}  // namespace openai_server

HttpUrl server_url(const std::string& text) {
  HttpUrl out = parse_http_url(text);
  if (out.path.ends_with("/v1")) out.path.resize(out.path.size() - 3);
  return out;
}

std::string url_text(const HttpUrl& url) {
  return fmt::format("{}://{}{}", url.tls ? "https" : "http", url.authority(), url.path);
}

std::string error_message(std::string_view body) {
  using openai_server::shortened;
  using openai_server::text_at;
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_object()) {
    if (const std::string* error = text_at(json, "error")) return shortened(*error);
    if (json.contains("error")) {
      if (const std::string* message = text_at(json["error"], "message")) {
        return shortened(*message);
      }
    }
    for (const char* key : {"message", "detail"}) {
      if (const std::string* message = text_at(json, key)) return shortened(*message);
    }
  }
  return shortened(body);
}

void fail_call(const HttpTarget& target, std::string_view path, const ClientAnswer& answer,
               std::string_view where) {
  const std::string place = url_text(target.url()) + std::string(path);
  if (answer.fault == ClientFault::kRefused) {
    fail(ErrorCode::kIo, where, "{}: connection refused: no server listens there", place);
  }
  if (answer.fault == ClientFault::kMalformed) {
    fail(ErrorCode::kIo, where, "{}: expected an HTTP server's answer, found something else ({})",
         place, answer.message);
  }
  if (answer.fault != ClientFault::kNone) {
    fail(ErrorCode::kIo, where, "{}: {} ({})", place, client_fault_name(answer.fault),
         answer.message);
  }
  fail(ErrorCode::kIo, where, "{}: {}: {}{}", place, answer.status, error_message(answer.body),
       openai_server::advice(target, answer));
}

namespace openai_server {

constexpr std::string_view kModelsPath = "/v1/models";

// What /v1/models lists, objects with a text "id" alone.
std::vector<Json> list_models(const HttpTarget& target, std::string_view where) {
  asio::io_context io;
  ClientConnection client(io, target);
  const ClientRequest request = {"GET", std::string(kModelsPath), ""};
  auto future = asio::co_spawn(io, get(client, request), asio::use_future);
  io.run();
  const ClientAnswer answer = future.get();
  if (answer.fault != ClientFault::kNone || answer.status != 200) {
    fail_call(target, kModelsPath, answer, where);
  }
  const Json json = Json::parse(answer.body, nullptr, false);
  std::vector<Json> out;
  if (json.is_object() && json.contains("data") && json["data"].is_array()) {
    for (const Json& model : json["data"]) {
      if (text_at(model, "id") != nullptr) out.push_back(model);
    }
  }
  if (out.empty()) {
    fail(ErrorCode::kIo, where, "{}{}: expected an OpenAI server's list of models, found {}: {}",
         url_text(target.url()), kModelsPath, answer.header("content-type"),
         error_message(answer.body));
  }
  return out;
}

}  // namespace openai_server

std::vector<std::string> server_models(const HttpTarget& target, std::string_view where) {
  std::vector<std::string> out;
  for (const Json& model : openai_server::list_models(target, where)) out.push_back(model["id"]);
  return out;
}

bool answers_ids_alone(const HttpTarget& target, const std::string& model) {
  try {
    for (const Json& one : openai_server::list_models(target, "cli/openai_server")) {
      if (one["id"] != model) continue;
      const auto known = one.find("has_tokenizer");
      return known != one.end() && *known == false;
    }
  } catch (const Error&) {
    return false;  // a server without such a list may answer all the same
  }
  return false;
}

}  // namespace ingot
