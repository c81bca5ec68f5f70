#include "ops/contract/attrs.h"

#include <fmt/format.h>

#include "base/json.h"

namespace ingot {
namespace {

Json to_json(const AttrValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

bool all_of_type(const Json& list, bool (Json::*is)() const noexcept) {
  for (const Json& item : list) {
    if (!(item.*is)()) return false;
  }
  return true;
}

AttrValue from_json(const Json& value, std::string_view name) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number_float()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) {
    if (all_of_type(value, &Json::is_number_integer)) return value.get<std::vector<int64_t>>();
    if (all_of_type(value, &Json::is_number)) return value.get<std::vector<double>>();
    if (all_of_type(value, &Json::is_string)) return value.get<std::vector<std::string>>();
  }
  fail(ErrorCode::kCorrupt, "ops/attrs", "attribute '{}': expected a scalar or a list, found {}",
       name, value.type_name());
}

}  // namespace

std::string attrs_text(const Attrs& attrs) {
  Json out = Json::object();
  for (const auto& [name, value] : attrs) out[name] = to_json(value);
  return out.dump();
}

Attrs parse_attrs(std::string_view text) {
  const Json json = parse_json(text, "ops/attrs", "attributes");
  if (!json.is_object()) {
    fail(ErrorCode::kCorrupt, "ops/attrs", "expected an object, found {}", json.type_name());
  }
  Attrs out;
  for (const auto& [name, value] : json.items()) out[name] = from_json(value, name);
  return out;
}

}  // namespace ingot
