#include "server/api_error.h"

#include <cmath>
#include <optional>

#include "base/log.h"
#include "base/progress.h"

namespace ingot {
namespace {

std::string_view type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

}  // namespace

ApiError plain_error(int status, std::string message) {
  ApiError error;
  error.status = status;
  error.type = type_of(status);
  error.message = std::move(message);
  return error;
}

ApiError bad_request(std::string param, std::string message) {
  ApiError error = plain_error(400, std::move(message));
  error.param = std::move(param);
  return error;
}

ApiError context_exceeded(int64_t prompt_tokens, int64_t context, std::string param) {
  ApiError error = plain_error(
      400, fmt::format("'{}': the prompt has {} tokens; expected fewer than {}, which hold prompt "
                       "and answer together",
                       param, prompt_tokens, context));
  error.param = std::move(param);
  error.code = "context_length_exceeded";
  return error;
}

ApiError unauthorized(bool key_given) {
  ApiError error = plain_error(
      401, key_given ? "the API key is wrong"
                     : "expected an API key: 'Authorization: Bearer KEY' or 'x-api-key: KEY'");
  error.code = "invalid_api_key";
  return error;
}

ApiError not_found(std::string message, std::string code) {
  ApiError error = plain_error(404, std::move(message));
  error.code = std::move(code);
  return error;
}

ApiError model_not_found(const std::string& model) {
  ApiError error =
      not_found(fmt::format("the model '{}' is not served here", model), "model_not_found");
  error.param = "model";
  return error;
}

ApiError too_busy(int retry_after_s) {
  ApiError error = plain_error(429, "too many requests wait; try again later");
  error.code = "queue_full";
  error.retry_after_s = retry_after_s;
  return error;
}

ApiError unavailable(std::string message, int retry_after_s) {
  ApiError error = plain_error(503, std::move(message));
  error.retry_after_s = retry_after_s;
  return error;
}

ApiError still_loading(int retry_after_s) {
  const std::optional<ProgressState> now = newest_progress();
  if (!now) return unavailable("the model is still loading", retry_after_s);
  const std::string share =
      now->total > 0 ? fmt::format(", {:.0f} %", std::floor(now->share() * 100)) : "";
  ApiError out = unavailable(fmt::format("the model is still loading ({}{})", now->what, share),
                             retry_after_s);
  out.beside = {{"loading",
                 {{"what", now->what},
                  {"done", now->done},
                  {"total", now->total},
                  {"unit", now->unit},
                  {"share", now->share()}}}};
  return out;
}

ApiError took_too_long() {
  return plain_error(504, "the request took longer than this server allows");
}

ApiError server_fault() { return plain_error(500, "the server failed; its log says more"); }

ApiError api_error_of(const Error& error) {
  if (error.code() != ErrorCode::kInvalidArgument && error.code() != ErrorCode::kUnsupported) {
    spdlog::error("{}", error.what());
    return server_fault();
  }
  std::string message = error.what();
  if (message.starts_with('[')) {
    const size_t end = message.find("] ");
    if (end != message.npos) message.erase(0, end + 2);
  }
  return plain_error(400, std::move(message));
}

Json error_body(const ApiError& error) {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
  };
  Json out = {{"error",
               {{"message", error.message},
                {"type", error.type},
                {"param", text_or_null(error.param)},
                {"code", text_or_null(error.code)}}}};
  if (error.beside.is_object()) out.update(error.beside);
  return out;
}

}  // namespace ingot
