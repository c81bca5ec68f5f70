// What a client is told when a request fails: OpenAI's error body.
#pragma once

#include <exception>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace ingot {

// Thrown by whatever handles a request; ends that request alone.
struct ApiError : std::exception {
  int status = 500;
  std::string type;       // "invalid_request_error", …
  std::string code;       // empty: null
  std::string param;      // the field at fault, as "messages[0].role"; empty: null
  std::string message;    // our own words: no text of libraries, no paths, no addresses
  int retry_after_s = 0;  // 0: no Retry-After
  Json beside = nullptr;  // an object: fields of the body beside "error"

  const char* what() const noexcept override { return message.c_str(); }
};

// 400, of the request's field `param`.
ApiError bad_request(std::string param, std::string message);
// 400 with code "context_length_exceeded"; `param`: the field of the prompt.
ApiError context_exceeded(int64_t prompt_tokens, int64_t context, std::string param);
ApiError unauthorized(bool key_given);                           // 401
ApiError not_found(std::string message, std::string code = {});  // 404
ApiError model_not_found(const std::string& model);              // 404, code "model_not_found"
ApiError too_busy(int retry_after_s);                            // 429: the queue is full
ApiError unavailable(std::string message, int retry_after_s);    // 503: loading or draining
ApiError took_too_long();                                        // 504: request_timeout is over
// The 503 while the model loads: what is being done and how much of it is, in words and as
// "loading": {"what", "done", "total", "unit", "share"}.
ApiError still_loading(int retry_after_s);
ApiError server_fault();                                // 500: the log says more
ApiError plain_error(int status, std::string message);  // type by the status

// An Error of the rooms below as its client's: what they call invalid or unsupported is a 400 whose
// message has lost its "[room/file]"; all else is a 500 and goes to the log.
ApiError api_error_of(const Error& error);

// {"error": {"message", "type", "param", "code"}}, and what stands beside it.
Json error_body(const ApiError& error);

}  // namespace ingot
