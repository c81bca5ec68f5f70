#include "server/http_status.h"

#include <algorithm>

namespace ingot {

namespace {

// What a head is refused for before an endpoint is known is among them.
constexpr HttpStatus kStatuses[] = {
    {200, "OK", ""},
    {204, "No Content", ""},
    {400, "Bad Request", "the request is not well formed, or a field is wrong, which is named"},
    {401, "Unauthorized", "no key, or a wrong one"},
    {403, "Forbidden", "a Host that is not known here"},
    {404, "Not Found", "no such endpoint, model or file"},
    {405, "Method Not Allowed", "another method"},
    {408, "Request Timeout", "the body did not come"},
    {413, "Content Too Large", "the body is too large"},
    {415, "Unsupported Media Type", "the body is not plain JSON"},
    {417, "Expectation Failed", "an Expect that is not known"},
    {429, "Too Many Requests", "the queue is full; Retry-After"},
    {431, "Request Header Fields Too Large", "the head is too large"},
    {500, "Internal Server Error", "a fault of the server"},
    {501, "Not Implemented", "a transfer coding that is not known"},
    {503, "Service Unavailable", "loading, draining, or without memory; Retry-After"},
    {504, "Gateway Timeout", "the request's time was over"},
    {505, "HTTP Version Not Supported", "another version of HTTP"},
};

}  // namespace

std::span<const HttpStatus> http_statuses() { return kStatuses; }

std::string_view status_text(int code) {
  const auto found = std::ranges::find(kStatuses, code, &HttpStatus::code);
  if (found != std::end(kStatuses)) return found->reason;
  return code >= 500 ? "Internal Server Error" : "Error";
}

}  // namespace ingot
