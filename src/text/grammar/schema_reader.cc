#include "text/grammar/schema_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"
#include "base/percent.h"
#include "text/grammar/work_budget.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
constexpr size_t kMaxToken = 200, kMaxTokens = 16;  // bytes; at each end of a pointer
constexpr int kMaxFollowed = 200;                   // schemas that lead to each other

constexpr auto kDrafts =
    std::to_array<std::string_view>({"draft-04/schema", "draft-06/schema", "draft-07/schema",
                                     "draft/2019-09/schema", "draft/2020-12/schema"});
// Assertions that no grammar makes.
constexpr auto kNeverEnforced = std::to_array<std::string_view>(
    {"if", "contains", "dependentRequired", "dependentSchemas", "dependencies", "$dynamicRef",
     "$recursiveRef", "extends", "disallow", "divisibleBy"});
// Keywords after whose annotations `unevaluated...` looks.
constexpr auto kApplicators = std::to_array<std::string_view>(
    {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "contains", "dependentSchemas"});

std::string pointer_token(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

const std::string& member(const Json& object, size_t number) {
  return (object.get_ref<const Json::object_t&>().begin() + static_cast<ptrdiff_t>(number))->first;
}

// One token of a pointer in a URI's fragment: "%25", "~1" and "~0" undone.
std::string plain_token(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
      out += token[++i] == '0' ? '~' : '/';
    } else {
      out += token[i];
    }
  }
  return out;
}

bool names_itself(const Json& schema) {
  for (const char* key : {"$id", "id"}) {
    const Json* id = keyword_of(schema, key);
    if (id != nullptr && id->is_string() && !id->get_ref<const std::string&>().starts_with('#')) {
      return true;
    }
  }
  return false;
}

}  // namespace

const Json* keyword_of(const Json& schema, std::string_view keyword) {
  spend_work(1 + schema.size() / 8);
  const auto it = schema.find(std::string(keyword));
  return it == schema.end() ? nullptr : &*it;
}

SchemaDocument::SchemaDocument(std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    fail(ErrorCode::kInvalidArgument, kWhere, "the schema has {} bytes; at most {} are taken",
         text.size(), max_bytes);
  }
  try {
    root_ = parse_json(text, kWhere, "the schema");
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidArgument, error.what());
  }
  index(root_);
  const Json* draft = root_.is_object() ? keyword_of(root_, "$schema") : nullptr;
  if (draft == nullptr) return;
  if (!draft->is_string()) malformed(root_, "$schema", "a string");
  std::string_view name = draft->get_ref<const std::string&>();
  if (name.ends_with('#')) name.remove_suffix(1);
  for (const std::string_view prefix : {"https://", "http://"}) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  }
  const bool known = name.starts_with("json-schema.org/") &&
                     std::find(kDrafts.begin(), kDrafts.end(), name.substr(16)) != kDrafts.end();
  if (!known) {
    refuse(root_, "$schema", "an unknown draft; drafts 4, 6, 7, 2019-09 and 2020-12 are known");
  }
}

void SchemaDocument::index(const Json& place) {
  spend_work(5);
  if (!place.is_structured()) return;
  uint32_t number = 0;
  for (const Json& child : place) {
    places_.emplace(&child, Place{&place, number++});
    index(child);
  }
}

std::string SchemaDocument::pointer(const Json& place) const {
  std::vector<std::string> tokens;
  for (const Json* at = &place; at != &root_;) {
    const auto [parent, number] = places_.at(at);
    tokens.push_back(parent->is_array() ? std::to_string(number)
                                        : pointer_token(member(*parent, number)));
    at = parent;
  }
  std::string out = "#";
  for (size_t i = tokens.size(); i > 0; --i) {
    if (i > kMaxTokens && tokens.size() - i >= kMaxTokens) continue;
    const std::string& token = tokens[i - 1];
    size_t cut = std::min(token.size(), kMaxToken);
    while (cut < token.size() && cut > 0 && (token[cut] & 0xC0) == 0x80) --cut;
    out += "/" + token.substr(0, cut) + (cut < token.size() ? "..." : "");
    if (i > kMaxTokens + 1 && tokens.size() - i + 1 == kMaxTokens) out += "/...";
  }
  return out;
}

void SchemaDocument::refuse(const Json& schema, std::string_view keyword,
                            std::string_view message) const {
  fail(ErrorCode::kUnsupported, kWhere, "{}{}{}: {}", pointer(schema), keyword.empty() ? "" : "/",
       pointer_token(keyword), message);
}

void SchemaDocument::malformed(const Json& schema, std::string_view keyword,
                               std::string_view expected) const {
  fail(ErrorCode::kInvalidArgument, kWhere, "{}{}{}: expected {}", pointer(schema),
       keyword.empty() ? "" : "/", pointer_token(keyword), expected);
}

const Json* SchemaDocument::object(const Json& schema, std::string_view keyword) const {
  const Json* value = keyword_of(schema, keyword);
  if (value != nullptr && !value->is_object()) malformed(schema, keyword, "an object");
  return value;
}

const Json* SchemaDocument::list(const Json& schema, std::string_view keyword) const {
  const Json* value = keyword_of(schema, keyword);
  if (value != nullptr && !value->is_array()) malformed(schema, keyword, "a list");
  return value;
}

int64_t SchemaDocument::count(const Json& schema, std::string_view keyword) const {
  const Json* value = keyword_of(schema, keyword);
  if (value == nullptr) return -1;
  const double number = value->is_number() ? value->get<double>() : -1;
  if (number < 0 || number != static_cast<double>(static_cast<int64_t>(std::min(number, 1e15)))) {
    malformed(schema, keyword, "a whole number from 0 to 10^15");
  }
  return static_cast<int64_t>(number);
}

const Json& SchemaDocument::target(const Json& schema, const std::string& uri) const {
  if (!uri.starts_with('#') || (uri.size() > 1 && uri[1] != '/')) {
    refuse(schema, "$ref", "only references to pointers inside the schema ('#/...') are followed");
  }
  const std::optional<std::string> decoded = percent_decoded(std::string_view(uri).substr(1));
  if (!decoded) malformed(schema, "$ref", "two hexadecimal digits behind each '%'");
  const std::string& path = *decoded;
  spend_work(uri.size());
  const Json* at = &root_;
  for (size_t begin = 1; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string token = plain_token(std::string_view(path).substr(begin, end - begin));
    if (at != &root_ && at->is_object() && names_itself(*at)) {
      refuse(schema, "$ref", "references into schemas with an '$id' of their own are not followed");
    }
    const Json* next = nullptr;
    spend_work(at->size());
    if (at->is_object()) {
      next = keyword_of(*at, token);
    } else if (at->is_array() && !token.empty() && token.size() < 9 &&
               token.find_first_not_of("0123456789") == std::string::npos) {
      const size_t place = std::stoul(token);
      if (place < at->size()) next = &(*at)[place];
    }
    if (next == nullptr) {
      fail(ErrorCode::kInvalidArgument, kWhere, "{}/$ref: nothing is at '{}'", pointer(schema),
           uri);
    }
    at = next;
    begin = end + 1;
  }
  return *at;
}

bool SchemaDocument::expand(const std::vector<SchemaPart>& parts,
                            std::vector<SchemaPart>& all) const {
  std::set<SchemaPart> seen;
  std::vector<SchemaPart> queue(parts.rbegin(), parts.rend());
  while (!queue.empty()) {
    SchemaPart part = queue.back();
    queue.pop_back();
    spend_work(30);
    const bool followed = (part.done & SchemaPart::kFollowed) != 0;
    part.done = static_cast<uint8_t>(part.done | SchemaPart::kFollowed);
    const Json& schema = *part.schema;
    if (schema.is_boolean()) {
      if (!schema.get<bool>()) return false;
      continue;
    }
    if (!schema.is_object()) malformed(schema, "", "a schema (an object, true or false)");
    if (!seen.insert(part).second) continue;
    all.push_back(part);
    if (followed) continue;
    check_keywords(schema);
    check_loops(schema);
    if (const Json* conjunction = list(schema, "allOf")) {
      for (auto it = conjunction->rbegin(); it != conjunction->rend(); ++it) {
        queue.push_back({&*it, 0});
      }
    }
    if (const Json* ref = keyword_of(schema, "$ref")) {
      if (!ref->is_string()) malformed(schema, "$ref", "a string");
      queue.push_back({&target(schema, ref->get<std::string>()), 0});
    }
  }
  return true;
}

void SchemaDocument::check_keywords(const Json& schema) const {
  for (const std::string_view keyword : kNeverEnforced) {
    if (keyword_of(schema, keyword) == nullptr) continue;
    if (keyword == "if" && keyword_of(schema, "then") == nullptr &&
        keyword_of(schema, "else") == nullptr) {
      continue;
    }
    refuse(schema, keyword, fmt::format("'{}' cannot be enforced", keyword));
  }
  if (&schema != &root_ && names_itself(schema)) {
    refuse(schema, "$id", "schemas with an '$id' of their own inside others are not followed");
  }
  const Json* unique = keyword_of(schema, "uniqueItems");
  if (unique != nullptr && !unique->is_boolean()) malformed(schema, "uniqueItems", "a boolean");
  const int64_t most = count(schema, "maxItems");
  if (unique != nullptr && unique->get<bool>() && (most < 0 || most > 1)) {
    refuse(schema, "uniqueItems", "'uniqueItems' cannot be enforced");
  }
  check_unevaluated(schema);
}

void SchemaDocument::check_loops(const Json& schema, int depth) const {
  if (!schema.is_object()) return;
  if (depth > kMaxFollowed) {
    refuse(schema, "", fmt::format("more than {} references in a row", kMaxFollowed));
  }
  const auto [known, added] = looked_at_.try_emplace(&schema, false);
  if (!added) {
    if (!known->second) refuse(schema, "", "the schema means itself, without a value between");
    return;
  }
  const Json* ref = keyword_of(schema, "$ref");
  if (ref != nullptr && ref->is_string()) {
    check_loops(target(schema, ref->get<std::string>()), depth + 1);
  }
  for (const char* keyword : {"allOf", "anyOf", "oneOf"}) {
    const Json* parts = list(schema, keyword);
    if (parts == nullptr) continue;
    for (const Json& part : *parts) check_loops(part, depth + 1);
  }
  looked_at_[&schema] = true;
}

void SchemaDocument::check_unevaluated(const Json& schema) const {
  for (const char* keyword : {"unevaluatedProperties", "unevaluatedItems"}) {
    const Json* value = keyword_of(schema, keyword);
    if (value == nullptr || (value->is_boolean() && value->get<bool>())) continue;
    for (const std::string_view other : kApplicators) {
      if (keyword_of(schema, other) == nullptr) continue;
      refuse(schema, keyword, fmt::format("'{}' beside '{}' cannot be enforced", keyword, other));
    }
  }
}

}  // namespace ingot
