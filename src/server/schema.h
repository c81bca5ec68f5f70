// Fields of request bodies, as data: what validates a body also writes /openapi.json and makes the
// cases of the tests.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ingot {

// Kinds of JSON values that a field takes; joined by |.
enum FieldKind : uint32_t {
  kBoolField = 1,
  kIntegerField = 2,
  kNumberField = 4,  // integers too
  kTextField = 8,
  kListField = 16,
  kObjectField = 32,
  kNullField = 64,  // as if it were not there
};

enum class FieldUse : uint8_t {
  kHonoured,
  kRefused,  // known to clients, and not built: a 400 that names it, unless it asks for nothing
  kIgnored,  // of the closed list: has no effect, and a response header says so
};

struct Field {
  std::string_view name;
  uint32_t kinds = 0;  // null is always taken: as if the field were not there
  // Of numbers; of a text its bytes; of a list its items.
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool above_min = false;                     // of a number: min itself is refused
  std::vector<std::string_view> one_of = {};  // of a text
  std::vector<Field> fields = {};             // of an object, or of each object of a list
  bool open = false;                          // objects may hold fields that are not in `fields`
  bool required = false;
  FieldUse use = FieldUse::kHonoured;
  Json neutral = nullptr;  // of a refused field: the value that asks for nothing
  std::string_view help = {};
};

struct Schema {
  std::string_view name;  // "CreateChatCompletion"
  std::vector<Field> fields;
};

// The fields with names alone of `closed list`: user, metadata, store, service_tier,
// prompt_cache_key, safety_identifier.
std::vector<Field> ignored_fields();
// Of any tables.
std::vector<Field> joined_fields(std::initializer_list<std::vector<Field>> tables);

// Checks `body` against `schema`. ApiError (400) with the field's path as param. Returns the names
// of ignored fields that it holds.
std::vector<std::string> check_body(const Json& body, const Schema& schema);

// A field of a checked body; null where it is left out, or is null, which means the same.
const Json* given(const Json& body, std::string_view name);

// JSON Schema of it, for OpenAPI.
Json json_schema_of(const Schema& schema);

// Parses a request's body: ApiError (400) for what is not JSON, nested deeper than 128, or holds a
// key twice in one object. `what` it is called there.
Json parse_body(std::string_view text, std::string_view what = "the body");

}  // namespace ingot
