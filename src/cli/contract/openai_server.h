// What clients of OpenAI servers, whoever wrote those, share: addresses, names, what errors say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/http_client.h"

namespace ingot {

// A URL may be the server's or OpenAI's "base URL", which ends in /v1. Error as parse_http_url().
HttpUrl server_url(const std::string& text);
// "http://host:port/path", for messages.
std::string url_text(const HttpUrl& url);

// {"error": {"message": …}} and its relatives, or whatever the body is: one line of 200 bytes.
std::string error_message(std::string_view body);

// Throws what became of a call that brought no answer of status 200: Error{kIo} naming the address,
// what was said and what helps.
[[noreturn]] void fail_call(const HttpTarget& target, std::string_view path,
                            const ClientAnswer& answer, std::string_view where);

// The ids that /v1/models lists, in its order, at least one. Blocks. Error as fail_call(), and
// {kIo} for a list without one.
std::vector<std::string> server_models(const HttpTarget& target, std::string_view where);

// Whether /v1/models says of `model` that it has no tokenizer ("has_tokenizer": false), as Ingot's
// servers do; false where nothing is said, no list either. Blocks.
bool answers_ids_alone(const HttpTarget& target, const std::string& model);

}  // namespace ingot
