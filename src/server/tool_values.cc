#include "server/tool_values.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <unordered_set>

#include "server/chunk_writer.h"
#include "server/python_literal.h"
#include "server/tool_json.h"

namespace ingot {
namespace {

constexpr int kMostFollowed = 32;

struct Admitted {
  bool text = true, other = true;
};

const Json* keyword(const Json& schema, const char* key) {
  if (!schema.is_object()) return nullptr;
  const auto found = schema.find(key);
  return found == schema.end() ? nullptr : &*found;
}

// What "$ref" points at within `root`, or null.
const Json* referred(const Json& schema, const Json& root) {
  const Json* ref = keyword(schema, "$ref");
  if (ref == nullptr || !ref->is_string()) return nullptr;
  const auto& uri = ref->get_ref<const std::string&>();
  if (!uri.starts_with('#')) return nullptr;
  try {
    const Json::json_pointer pointer(uri.substr(1));
    return root.contains(pointer) ? &root.at(pointer) : nullptr;
  } catch (const Json::exception&) {
    return nullptr;  // no pointer
  }
}

Admitted of_values(const Json& values) {
  Admitted out{false, false};
  for (const Json& value : values) (value.is_string() ? out.text : out.other) = true;
  return out;
}

Admitted of_types(const Json& types) {
  if (!types.is_array()) return {types == "string", types != "string"};
  Admitted out{false, false};
  for (const Json& type : types) (type == "string" ? out.text : out.other) = true;
  return out;
}

// One tool's schema. Each part is looked at once, however often others refer to it.
class Schemas {
 public:
  explicit Schemas(const Json& root) : root_(root) {}

  ValueKind kind_of(const Json& schema) {
    const Admitted kinds = admitted(schema);
    if (kinds.text) return kinds.other ? ValueKind::kEither : ValueKind::kText;
    return ValueKind::kJson;
  }

  // Of the arguments that no part names.
  ValueKind other_kind() {
    ValueKind out = ValueKind::kText;
    any_part([&](const Json& schema) {
      for (const char* key : {"patternProperties", "enum", "const"}) {
        if (keyword(schema, key) == nullptr) continue;
        out = ValueKind::kEither;
        return true;
      }
      const Json* more = keyword(schema, "additionalProperties");
      if (more == nullptr || !more->is_object()) return false;
      out = kind_of(*more);
      return true;
    });
    return out;
  }

  // Looks at the root and at all that holds beside it until `look` says true.
  void any_part(const std::function<bool(const Json&)>& look) {
    std::set<const Json*> seen;
    std::vector<const Json*> queue = {&root_};
    while (!queue.empty()) {
      const Json& schema = *queue.back();
      queue.pop_back();
      if (!schema.is_object() || !seen.insert(&schema).second) continue;
      if (look(schema)) return;
      for (const char* key : {"oneOf", "anyOf", "allOf"}) {
        const Json* parts = keyword(schema, key);
        if (parts == nullptr || !parts->is_array()) continue;
        for (auto it = parts->rbegin(); it != parts->rend(); ++it) queue.push_back(&*it);
      }
      if (const Json* target = referred(schema, root_)) queue.push_back(target);
    }
  }

 private:
  // Whether strings and whether other values may be of the schema, as its types and values tell.
  Admitted admitted(const Json& schema, int depth = 0) {
    Admitted out;
    if (!schema.is_object() || depth > kMostFollowed) return out;
    const auto [known, added] = admitted_.try_emplace(&schema, out);
    if (!added) return known->second;
    const auto holds = [&](const Admitted& also) {
      out = {out.text && also.text, out.other && also.other};
    };
    if (const Json* types = keyword(schema, "type")) holds(of_types(*types));
    if (const Json* values = keyword(schema, "enum"); values != nullptr && values->is_array()) {
      holds(of_values(*values));
    }
    if (const Json* value = keyword(schema, "const")) holds(of_values(Json::array({*value})));
    if (const Json* target = referred(schema, root_)) holds(admitted(*target, depth + 1));
    for (const char* key : {"anyOf", "oneOf"}) {
      const Json* choices = keyword(schema, key);
      if (choices == nullptr || !choices->is_array()) continue;
      Admitted any{false, false};
      for (const Json& choice : *choices) {
        const Admitted one = admitted(choice, depth + 1);
        any = {any.text || one.text, any.other || one.other};
      }
      holds(any);
    }
    if (const Json* all = keyword(schema, "allOf"); all != nullptr && all->is_array()) {
      for (const Json& one : *all) holds(admitted(one, depth + 1));
    }
    return known->second = out;
  }

  const Json& root_;
  std::map<const Json*, Admitted> admitted_;
};

}  // namespace

ValueKind value_kind(const Json* parameters, std::string_view name) {
  if (parameters == nullptr) return ValueKind::kText;
  const std::string key(name);
  const Json* found = nullptr;
  Schemas schemas(*parameters);
  schemas.any_part([&](const Json& schema) {
    const Json* properties = keyword(schema, "properties");
    if (properties != nullptr) found = keyword(*properties, key.c_str());
    return found != nullptr;
  });
  return found != nullptr ? schemas.kind_of(*found) : schemas.other_kind();
}

ValueKinds value_kinds(const Json* parameters) {
  ValueKinds out;
  if (parameters == nullptr) return out;
  Schemas schemas(*parameters);
  out.others = schemas.other_kind();
  std::unordered_set<std::string_view> known;
  schemas.any_part([&](const Json& schema) {
    const Json* properties = keyword(schema, "properties");
    if (properties == nullptr || !properties->is_object()) return false;
    for (const auto& [name, property] : properties->items()) {
      if (known.insert(name).second) out.names.emplace_back(name, schemas.kind_of(property));
    }
    return false;
  });
  return out;
}

std::string value_json(ValueKind kind, std::string_view text) {
  if (kind != ValueKind::kText) {
    const std::string_view inner = trim_space(text);
    if (Json::accept(inner)) return std::string(inner);
    const bool word = inner == "True" || inner == "False" || inner == "None";
    if (word || inner.starts_with('[') || inner.starts_with('{')) {
      if (auto json = python_literal_json(inner)) return *std::move(json);
    }
  }
  return "\"" + json_escaped(text) + "\"";
}

std::string json_escaped(std::string_view text) {
  std::string out;
  append_json_string(text, out);
  return out.substr(1, out.size() - 2);
}

}  // namespace ingot
