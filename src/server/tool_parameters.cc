#include "server/tool_parameters.h"

#include <algorithm>
#include <string_view>

namespace ingot {
namespace {

template <size_t kCount>
bool is_among(std::string_view key, const std::string_view (&list)[kCount]) {
  return std::ranges::find(list, key) != std::end(list);
}

// Beside one of these an object's schema may not be its only one, or what does not fit counts.
constexpr std::string_view kOthers[] = {"allOf",
                                        "oneOf",
                                        "not",
                                        "if",
                                        "dependentSchemas",
                                        "dependencies",
                                        "unevaluatedProperties",
                                        "unevaluatedItems",
                                        "$dynamicRef",
                                        "$recursiveRef"};
// What may stand beside "$ref" and asks for nothing.
constexpr std::string_view kNotes[] = {"$ref",     "$defs",   "definitions", "$schema",
                                       "$id",      "title",   "description", "default",
                                       "examples", "$comment"};

// Keywords whose members are schemas, by names that are no keywords, and those that hold data.
constexpr std::string_view kByName[] = {"properties", "patternProperties", "$defs", "definitions"};
constexpr std::string_view kData[] = {"enum", "const", "default", "examples", "dependentRequired"};

// Also of values of unknown keywords, which only look like schemas: then the schema stays as it is.
bool is_plain(const Json& value) {
  if (value.is_array()) return std::ranges::all_of(value, is_plain);
  if (!value.is_object()) return true;
  const bool refers = value.contains("$ref");
  for (const auto& [key, inner] : value.items()) {
    if (is_among(key, kOthers) || (refers && !is_among(key, kNotes))) return false;
    if (is_among(key, kData)) continue;
    const bool plain = is_among(key, kByName) && inner.is_object()
                           ? std::ranges::all_of(inner, is_plain)
                           : is_plain(inner);
    if (!plain) return false;
  }
  return true;
}

bool names_its_properties(const Json& schema) {
  const auto properties = schema.find("properties");
  if (properties == schema.end() || !properties->is_object() || properties->empty()) return false;
  for (const char* key : {"additionalProperties", "patternProperties", "anyOf", "enum", "const"}) {
    if (schema.contains(key)) return false;
  }
  const auto least = schema.find("minProperties");
  if (least != schema.end() &&
      !(least->is_number() && least->get<double>() <= static_cast<double>(properties->size()))) {
    return false;
  }
  const auto required = schema.find("required");
  return required == schema.end() ||
         (required->is_array() && std::ranges::all_of(*required, [&](const Json& name) {
            return name.is_string() && properties->contains(name.get_ref<const std::string&>());
          }));
}

void close(Json& schema);

void close_each(Json& schema, const char* key) {
  const auto at = schema.find(key);
  if (at == schema.end() || !at->is_structured()) return;
  for (Json& inner : *at) close(inner);
}

void close(Json& schema) {
  if (!schema.is_object()) return;
  for (const char* key : {"properties", "prefixItems", "$defs", "definitions"}) {
    close_each(schema, key);
  }
  if (!schema.contains("properties")) close_each(schema, "anyOf");
  for (const char* key : {"items", "additionalProperties"}) {
    const auto at = schema.find(key);
    if (at != schema.end()) close(*at);
  }
  if (names_its_properties(schema)) schema["additionalProperties"] = false;
}

}  // namespace

Json closed_parameters(const Json& schema) {
  Json out = schema;
  if (is_plain(schema)) close(out);
  return out;
}

}  // namespace ingot
