// JSON for control data (configs, headers, reports). Large tokenizer files go through simdjson.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot {

using Json = nlohmann::ordered_json;

// Parses UTF-8 JSON with a nesting cap of 128. Error{kCorrupt}: "[where] FILE: byte N: reason".
Json parse_json(std::string_view text, std::string_view where, std::string_view file);

// Typed field access: Error{kCorrupt} names the file, the key, the expected and the found type.
// json_get(j, "hidden_size", fallback, where, file); json_require the same without a fallback.
// T: bool, int64_t, double, std::string, std::vector of these.
template <typename T>
T json_require(const Json& object, std::string_view key, std::string_view where,
               std::string_view file);
template <typename T>
T json_get(const Json& object, std::string_view key, T fallback, std::string_view where,
           std::string_view file) {
  auto it = object.find(std::string(key));
  if (it == object.end() || it->is_null()) return fallback;
  return json_require<T>(object, key, where, file);
}

}  // namespace ingot
