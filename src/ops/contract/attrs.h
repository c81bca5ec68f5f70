// Operator attributes: a named bag on graph nodes and plan steps, a plain struct inside an
// operator.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/error.h"

namespace ingot {

using AttrValue = std::variant<int64_t, double, bool, std::string, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;
// Ordered by name, so that text and hashes do not depend on insertion order.
using Attrs = std::map<std::string, AttrValue, std::less<>>;

// One line of JSON: {"epsilon":1e-05,"heads":9}. Doubles print as their shortest round trip.
std::string attrs_text(const Attrs& attrs);
// Parses what attrs_text prints. Error{kCorrupt}.
Attrs parse_attrs(std::string_view text);

// A plain struct states its fields once, by name:
//   struct RmsNormAttrs {
//     double epsilon = 1e-5;
//     template <typename V> void fields(V& v) { v("epsilon", epsilon); }
//   };
// Field types: int64_t, double, bool, std::string and vectors of int64_t, double, std::string.
template <typename T>
Attrs write_attrs(T value) {
  Attrs out;
  auto visit = [&](std::string_view name, auto& field) { out[std::string(name)] = field; };
  value.fields(visit);
  return out;
}

// Absent names keep the struct's default; an unknown name or a wrong type is
// Error{kInvalidArgument}
// "[ops/<op>] ...".
template <typename T>
T read_attrs(const Attrs& attrs, std::string_view op) {
  T out;
  size_t used = 0;
  auto visit = [&](std::string_view name, auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    auto it = attrs.find(name);
    if (it == attrs.end()) return;
    ++used;
    if (const Field* value = std::get_if<Field>(&it->second)) {
      field = *value;
    } else {
      fail(ErrorCode::kInvalidArgument, op, "attribute '{}' has the wrong type", name);
    }
  };
  out.fields(visit);
  if (used != attrs.size()) {
    for (const auto& [name, value] : attrs) {
      bool known = false;
      auto match = [&](std::string_view field_name, auto&) { known |= field_name == name; };
      out.fields(match);
      if (!known) fail(ErrorCode::kInvalidArgument, op, "unknown attribute '{}'", name);
    }
  }
  return out;
}

// Single values with a default, for code that sees any op's attributes.
template <typename T>
T attr_or(const Attrs& attrs, std::string_view name, T fallback) {
  auto it = attrs.find(name);
  if (it == attrs.end()) return fallback;
  const T* value = std::get_if<T>(&it->second);
  return value ? *value : fallback;
}

}  // namespace ingot
