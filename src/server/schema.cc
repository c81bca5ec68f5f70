#include "server/schema.h"

#include <cmath>
#include <unordered_set>

#include "server/api_error.h"

namespace ingot {
namespace {

constexpr size_t kMaxDepth = 128;
// Of a body: a parsed value takes many times the two bytes that it may have as text.
constexpr int64_t kMostValues = int64_t{1} << 20;
// Of an object: each is looked for among those before it.
constexpr size_t kMostKeys = 2048;
constexpr size_t kMostIgnoredBytes = size_t{64} << 10;
constexpr size_t kShownKey = 100;  // bytes, in messages

struct KindName {
  FieldKind kind;
  std::string_view name;    // for people
  std::string_view schema;  // JSON Schema's "type"
};
constexpr KindName kKindNames[] = {
    {kBoolField, "true or false", "boolean"}, {kIntegerField, "an integer", "integer"},
    {kNumberField, "a number", "number"},     {kTextField, "a string", "string"},
    {kListField, "a list", "array"},          {kObjectField, "an object", "object"},
};

uint32_t kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::boolean:
      return kBoolField;
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return kIntegerField | kNumberField;
    case Json::value_t::number_float: {
      // 1.0 is an integer in JSON Schema.
      const double number = value.get<double>();
      const bool whole = std::nearbyint(number) == number && std::fabs(number) < 9e15;
      return whole ? kIntegerField | kNumberField : kNumberField;
    }
    case Json::value_t::string:
      return kTextField;
    case Json::value_t::array:
      return kListField;
    case Json::value_t::object:
      return kObjectField;
    default:
      return kNullField;
  }
}

std::string kinds_text(uint32_t kinds) {
  std::string out;
  for (const KindName& kind : kKindNames) {
    if ((kinds & kind.kind) == 0) continue;
    if (kind.kind == kIntegerField && (kinds & kNumberField) != 0) continue;
    out += out.empty() ? "" : " or ";
    out += kind.name;
  }
  return out;
}

std::string found_text(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  constexpr size_t kShown = 60;
  return text.size() <= kShown ? text
         : value.is_string()   ? "a longer string"
                               : text.substr(0, kShown);
}

class Checker {
 public:
  explicit Checker(std::vector<std::string>& ignored) : ignored_(ignored) {}

  void object(const Json& value, const std::vector<Field>& fields, bool open,
              const std::string& path) {
    for (const auto& [key, item] : value.items()) {
      const std::string shown = key.size() <= kShownKey ? key : key.substr(0, kShownKey) + "…";
      const std::string inner = path.empty() ? shown : path + "." + shown;
      const Field* field = find(fields, key);
      if (field != nullptr) {
        one(item, *field, inner);
      } else if (!open) {
        throw bad_request(inner, fmt::format("unknown field '{}'", inner));
      }
    }
    for (const Field& field : fields) {
      if (!field.required ||
          (value.contains(field.name) && !value[std::string(field.name)].is_null())) {
        continue;
      }
      const std::string inner =
          path.empty() ? std::string(field.name) : fmt::format("{}.{}", path, field.name);
      throw bad_request(inner, fmt::format("'{}' is missing", inner));
    }
  }

 private:
  static const Field* find(const std::vector<Field>& fields, std::string_view name) {
    for (const Field& field : fields) {
      if (field.name == name) return &field;
    }
    return nullptr;
  }

  void one(const Json& value, const Field& field, const std::string& path) {
    if (field.use == FieldUse::kIgnored) {
      // Some come back in the answer.
      if (value.dump(-1, ' ', false, Json::error_handler_t::replace).size() > kMostIgnoredBytes) {
        throw bad_request(path,
                          fmt::format("'{}': expected at most {} bytes", path, kMostIgnoredBytes));
      }
      ignored_.push_back(path);
      return;
    }
    if (value.is_null()) return;
    if (field.use == FieldUse::kRefused) {
      if (value == field.neutral) return;
      throw bad_request(path, fmt::format("'{}' is not supported here", path));
    }
    if ((kind_of(value) & field.kinds) == 0) {
      throw bad_request(path, fmt::format("'{}': expected {}, found {}", path,
                                          kinds_text(field.kinds), found_text(value)));
    }
    bounds(value, field, path);
    if (value.is_object() && (!field.fields.empty() || !field.open)) {
      object(value, field.fields, field.open, path);
    }
    if (value.is_array() && !field.fields.empty()) items(value, field, path);
  }

  void items(const Json& list, const Field& field, const std::string& path) {
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string inner = fmt::format("{}[{}]", path, i);
      if (list[i].is_object()) {
        object(list[i], field.fields, field.open, inner);
      } else {
        throw bad_request(
            inner, fmt::format("'{}': expected an object, found {}", inner, found_text(list[i])));
      }
    }
  }

  static void bounds(const Json& value, const Field& field, const std::string& path) {
    double size = 0;
    std::string_view what;
    if (value.is_number()) {
      size = value.get<double>();
    } else if (value.is_string()) {
      size = static_cast<double>(value.get_ref<const std::string&>().size());
      what = " bytes";
    } else if (value.is_array()) {
      size = static_cast<double>(value.size());
      what = " items";
    } else {
      return;
    }
    const bool low_end = field.above_min && size == field.min;
    if (!(size >= field.min && size <= field.max) || low_end) {
      throw bad_request(
          path, fmt::format("'{}': expected {}{}, found {}{}", path, range_text(field), what,
                            value.is_number() ? found_text(value) : fmt::format("{}", size), what));
    }
    if (field.one_of.empty() || !value.is_string()) return;
    const auto& text = value.get_ref<const std::string&>();
    for (const std::string_view allowed : field.one_of) {
      if (text == allowed) return;
    }
    throw bad_request(path, fmt::format("'{}': expected one of {}, found {}", path,
                                        fmt::join(field.one_of, ", "), found_text(value)));
  }

  static std::string range_text(const Field& field) {
    if (std::isinf(field.max)) return fmt::format("at least {}", field.min);
    if (std::isinf(field.min)) return fmt::format("at most {}", field.max);
    if (field.above_min) return fmt::format("more than {} and at most {}", field.min, field.max);
    return fmt::format("{} to {}", field.min, field.max);
  }

  std::vector<std::string>& ignored_;
};

// nlohmann's parser takes the last of equal keys, and any depth.
class StrictBody : public nlohmann::json_sax<Json> {
 public:
  explicit StrictBody(std::string_view what) : what_(what) {}
  using Number = Json::number_float_t;
  bool null() override { return one_more(); }
  bool boolean(bool) override { return one_more(); }
  bool number_integer(Json::number_integer_t) override { return one_more(); }
  bool number_unsigned(Json::number_unsigned_t) override { return one_more(); }
  bool number_float(Number, const std::string&) override { return one_more(); }
  bool string(std::string&) override { return one_more(); }
  bool binary(Json::binary_t&) override { return one_more(); }
  bool start_object(size_t) override { return one_more() && deeper(true); }
  bool key(std::string& name) override {
    Level& level = levels_.back();
    level.at = name.size() <= kShownKey ? name : name.substr(0, kShownKey) + "…";
    ++level.count;
    if (level.count > kMostKeys) return true;  // counted to the object's end
    if (level.keys.insert(name).second) return true;
    problem = fmt::format("the key '{}' occurs twice in one object", shortened(name));
    return false;
  }
  bool end_object() override {
    const size_t count = levels_.back().count;
    levels_.pop_back();
    if (count <= kMostKeys) return true;
    field = path();
    const std::string where = field.empty() ? std::string(what_) : "'" + field + "'";
    problem = fmt::format("{}: expected at most {} keys, found {}", where, kMostKeys, count);
    return false;
  }
  bool start_array(size_t) override { return one_more() && deeper(false); }
  bool end_array() override {
    levels_.pop_back();
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    problem = fmt::format("{} is not JSON: byte {} is not what may stand there", what_, position);
    return false;
  }

  std::string problem;
  std::string field;  // that has it, where that is known

 private:
  // An object or a list that is not over yet.
  struct Level {
    bool is_object = false;
    size_t count = 0;  // of keys or items so far
    std::string at;    // the last key
    std::unordered_set<std::string> keys;
  };

  // Of the value that comes, or has just ended, as Checker writes it: "tools[0].function".
  std::string path() const {
    std::string out;
    for (const Level& level : levels_) {
      if (!level.is_object) {
        out += fmt::format("[{}]", level.count - 1);
      } else {
        out += (out.empty() ? "" : ".") + level.at;
      }
    }
    return out;
  }
  static std::string shortened(const std::string& name) {
    return Json(name.substr(0, 40)).dump(-1, ' ', true, Json::error_handler_t::replace);
  }
  bool one_more() {
    if (!levels_.empty() && !levels_.back().is_object) ++levels_.back().count;
    if (++values_ <= kMostValues) return true;
    problem = fmt::format("{}: expected at most {} values", what_, kMostValues);
    return false;
  }
  bool deeper(bool is_object) {
    levels_.emplace_back().is_object = is_object;
    if (levels_.size() <= kMaxDepth) return true;
    problem = fmt::format("{} is nested deeper than {} levels", what_, kMaxDepth);
    return false;
  }
  std::vector<Level> levels_;
  int64_t values_ = 0;
  std::string_view what_;
};

Json schema_of(const Field& field);

Json properties_of(const std::vector<Field>& fields) {
  Json out = Json::object();
  for (const Field& field : fields) {
    if (field.use != FieldUse::kRefused) out[std::string(field.name)] = schema_of(field);
  }
  return out;
}

Json object_schema(const std::vector<Field>& fields, bool open) {
  Json out = {{"type", "object"}, {"properties", properties_of(fields)}};
  Json required = Json::array();
  for (const Field& field : fields) {
    if (field.required) required.push_back(field.name);
  }
  if (!required.empty()) out["required"] = required;
  if (!open) out["additionalProperties"] = false;
  return out;
}

void add_bounds(const Field& field, std::string_view type, Json& out) {
  const char* low = type == "string"  ? "minLength"
                    : type == "array" ? "minItems"
                    : field.above_min ? "exclusiveMinimum"
                                      : "minimum";
  const char* high = type == "string" ? "maxLength" : type == "array" ? "maxItems" : "maximum";
  if (!std::isinf(field.min)) out[low] = field.min;
  if (!std::isinf(field.max)) out[high] = field.max;
}

Json schema_of(const Field& field) {
  if (field.use == FieldUse::kIgnored) return {{"description", "has no effect"}};
  Json any = Json::array();
  for (const KindName& kind : kKindNames) {
    if ((field.kinds & kind.kind) == 0) continue;
    if (kind.kind == kIntegerField && (field.kinds & kNumberField) != 0) continue;
    Json one = {{"type", kind.schema}};
    if (kind.kind == kObjectField && !field.fields.empty()) {
      one = object_schema(field.fields, field.open);
    }
    if (kind.kind == kListField) {
      one["items"] =
          field.fields.empty() ? Json::object() : object_schema(field.fields, field.open);
    }
    if (kind.kind == kTextField && !field.one_of.empty()) one["enum"] = field.one_of;
    if (kind.kind != kObjectField && kind.kind != kBoolField) add_bounds(field, kind.schema, one);
    any.push_back(one);
  }
  if (!field.required) any.push_back({{"type", "null"}});
  Json out = any.size() == 1 ? any[0] : Json{{"anyOf", any}};
  if (!field.help.empty()) out["description"] = field.help;
  return out;
}

}  // namespace

std::vector<Field> ignored_fields() {
  std::vector<Field> out;
  for (const std::string_view name :
       {"user", "metadata", "store", "service_tier", "prompt_cache_key", "safety_identifier"}) {
    out.push_back({.name = name, .use = FieldUse::kIgnored});
  }
  return out;
}

std::vector<Field> joined_fields(std::initializer_list<std::vector<Field>> tables) {
  std::vector<Field> out;
  for (const auto& table : tables) out.insert(out.end(), table.begin(), table.end());
  return out;
}

std::vector<std::string> check_body(const Json& body, const Schema& schema) {
  if (!body.is_object()) {
    throw bad_request("", fmt::format("the body: expected an object, found {}", found_text(body)));
  }
  std::vector<std::string> ignored;
  Checker(ignored).object(body, schema.fields, false, "");
  return ignored;
}

const Json* given(const Json& body, std::string_view name) {
  const auto at = body.find(name);
  return at == body.end() || at->is_null() ? nullptr : &*at;
}

Json json_schema_of(const Schema& schema) { return object_schema(schema.fields, false); }

Json parse_body(std::string_view text, std::string_view what) {
  if (text.empty()) throw bad_request("", fmt::format("{} is empty: expected JSON", what));
  StrictBody strict(what);
  Json::sax_parse(text.begin(), text.end(), &strict);
  if (!strict.problem.empty()) throw bad_request(strict.field, strict.problem);
  return Json::parse(text.begin(), text.end());
}

}  // namespace ingot
