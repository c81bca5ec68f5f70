// Takes a JSON Schema's document apart for schema_check.cc: places, references, keywords. Internal
// to text/.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"

namespace ingot {

// A schema of the document, of which some alternatives are chosen already.
struct SchemaPart {
  // kFollowed: its reference and its `allOf` stand beside it.
  enum Done : uint8_t { kAnyOf = 1, kOneOf = 2, kFollowed = 4 };
  const Json* schema = nullptr;
  uint8_t done = 0;
  auto operator<=>(const SchemaPart&) const = default;
};

class SchemaDocument {
 public:
  // Error{kInvalidArgument}: no JSON, too long; Error{kUnsupported}: an unknown draft.
  SchemaDocument(std::string_view text, size_t max_bytes);
  const Json& root() const { return root_; }
  // "#/properties/a" of a value of the document, its middle left out where it is long.
  std::string pointer(const Json& place) const;
  // All that holds where the parts hold: the parts, what they refer to and their `allOf`, each
  // once. False: one of them is the schema `false`. Refuses keywords that cannot be enforced.
  bool expand(const std::vector<SchemaPart>& parts, std::vector<SchemaPart>& all) const;

  // "POINTER/keyword: message".
  [[noreturn]] void refuse(const Json& schema, std::string_view keyword,
                           std::string_view message) const;
  [[noreturn]] void malformed(const Json& schema, std::string_view keyword,
                              std::string_view expected) const;

  // Typed keywords; null or -1 where the schema has none.
  const Json* object(const Json& schema, std::string_view keyword) const;
  const Json* list(const Json& schema, std::string_view keyword) const;
  int64_t count(const Json& schema, std::string_view keyword) const;

 private:
  void index(const Json& place);
  const Json& target(const Json& schema, const std::string& uri) const;
  void check_keywords(const Json& schema) const;
  void check_unevaluated(const Json& schema) const;
  // Refuses a schema that leads back to itself by references and alternatives alone.
  void check_loops(const Json& schema, int depth = 0) const;

  Json root_;
  struct Place {
    const Json* parent;
    uint32_t number;  // among its children
  };
  std::unordered_map<const Json*, Place> places_;            // all but the root
  mutable std::unordered_map<const Json*, bool> looked_at_;  // true: all that it leads to, too
};

// The keyword's value, or null.
const Json* keyword_of(const Json& schema, std::string_view keyword);

}  // namespace ingot
