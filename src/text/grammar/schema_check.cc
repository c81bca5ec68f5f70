#include "text/grammar/schema_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "text/grammar/schema_possible.h"
#include "text/grammar/schema_reader.h"
#include "text/grammar/work_budget.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
constexpr size_t kMaxItems = 1000;  // places of an array that have schemas of their own
constexpr int64_t kMaxOptional = 256;
constexpr size_t kMaxSchemaParts = 400000;  // of all nodes, 32 bytes each
constexpr int kAny = 0, kNever = 1;
using Parts = std::vector<SchemaPart>;

uint8_t type_bits(const SchemaDocument& document, const Json& schema, const Json& type) {
  static const std::map<std::string, uint8_t> kTypes = {
      {"null", kJsonNull},     {"boolean", kJsonBoolean}, {"integer", kJsonInteger},
      {"number", kJsonNumber}, {"string", kJsonString},   {"array", kJsonArray},
      {"object", kJsonObject}};
  if (type.is_string()) {
    const auto it = kTypes.find(type.get<std::string>());
    if (it != kTypes.end()) return it->second;
  } else if (type.is_array() && !type.empty()) {
    uint8_t bits = 0;
    for (const Json& one : type) {
      if (!one.is_string()) document.malformed(schema, "type", "names of types");
      bits = static_cast<uint8_t>(bits | type_bits(document, schema, one));
    }
    return bits;
  }
  document.malformed(schema, "type",
                     "null, boolean, integer, number, string, array, object or a list of these");
}

// Turns schemas into nodes. A node is what holds for a set of parts; equal sets share one, so that
// recursion ends.
class SchemaChecker {
 public:
  SchemaChecker(std::string_view text, const SchemaLimits& limits)
      : limits_(limits), document_(text, limits.max_bytes) {}

  CheckedSchema run() {
    out_.nodes.resize(2);
    out_.nodes[kNever].types = 0;
    out_.root = node_of({{&document_.root(), 0}}, document_.root());
    for (size_t i = 0; i < pending_.size(); ++i) {
      const auto [id, parts] = pending_[i];
      SchemaNode node = make(parts);
      node.pointer = out_.nodes[static_cast<size_t>(id)].pointer;
      out_.nodes[static_cast<size_t>(id)] = std::move(node);
    }
    settle_schema(out_, limits_.max_exclusive_steps);
    return std::move(out_);
  }

 private:
  int node_of(const Parts& parts, const Json& place) {
    Parts all;
    if (!document_.expand(parts, all)) return kNever;
    if (all.empty()) return kAny;
    spend_work(20 * all.size());
    Parts key = all;
    std::sort(key.begin(), key.end());
    const auto [known, added] =
        ids_.try_emplace(std::move(key), static_cast<int>(out_.nodes.size()));
    if (!added) return known->second;
    parts_ += all.size();
    if (out_.nodes.size() >= limits_.max_nodes || parts_ > kMaxSchemaParts) {
      fail(ErrorCode::kUnsupported, kWhere,
           "{}: the schema is too large: more than {} schemas, or {} of which all hold together",
           document_.pointer(place), limits_.max_nodes, kMaxSchemaParts);
    }
    SchemaNode node;
    node.pointer = document_.pointer(place);
    out_.nodes.push_back(std::move(node));
    pending_.emplace_back(known->second, std::move(all));
    return known->second;
  }

  SchemaNode make(const Parts& parts) {
    for (size_t i = 0; i < parts.size(); ++i) {
      const Json& schema = *parts[i].schema;
      for (const auto& [keyword, bit] :
           {std::pair("anyOf", SchemaPart::kAnyOf), std::pair("oneOf", SchemaPart::kOneOf)}) {
        const Json* options = document_.list(schema, keyword);
        if (options == nullptr || (parts[i].done & bit) != 0) continue;
        if (options->empty()) document_.malformed(schema, keyword, "schemas");
        SchemaNode node;
        node.exclusive = bit == SchemaPart::kOneOf;
        for (const Json& option : *options) {
          Parts chosen = parts;
          chosen[i].done = static_cast<uint8_t>(chosen[i].done | bit);
          chosen.push_back({&option, 0});
          node.choices.push_back(node_of(chosen, option));
        }
        return node;
      }
    }
    return plain(parts);
  }

  SchemaNode plain(const Parts& parts) {
    SchemaNode node;
    for (const SchemaPart& part : parts) {
      if (const Json* type = keyword_of(*part.schema, "type")) {
        node.types &= type_bits(document_, *part.schema, *type);
      }
      apply_not(node, *part.schema);
    }
    for (const SchemaPart& part : parts) add_values(node, *part.schema);
    if ((node.types & kJsonNumber) != 0) add_numbers(node, parts);
    if ((node.types & kJsonString) != 0) add_strings(node, parts);
    if ((node.types & kJsonArray) != 0) add_arrays(node, parts);
    if ((node.types & kJsonObject) != 0) add_objects(node, parts);
    if (node.values) filter_values(node, parts);
    return node;
  }

  void apply_not(SchemaNode& node, const Json& schema) {
    const Json* negated = keyword_of(schema, "not");
    if (negated == nullptr) return;
    if (negated->is_boolean() && !negated->get<bool>()) return;
    const bool all = negated->is_boolean() || (negated->is_object() && negated->empty());
    const Json* type = negated->is_object() ? keyword_of(*negated, "type") : nullptr;
    if (!all && (type == nullptr || negated->size() > 1)) {
      document_.refuse(schema, "not", "'not' of anything but types cannot be enforced");
    }
    const uint8_t bits =
        all ? static_cast<uint8_t>(kJsonAny) : type_bits(document_, *negated, *type);
    node.types = static_cast<uint8_t>(node.types & ~bits);
  }

  void add_values(SchemaNode& node, const Json& schema) {
    const auto keep = [&](std::vector<Json> values) {
      if (!node.values) {
        node.values = std::move(values);
        return;
      }
      std::set<std::string> kept;
      for (const Json& value : values) kept.insert(json_key(value));
      std::erase_if(*node.values,
                    [&](const Json& value) { return !kept.contains(json_key(value)); });
    };
    if (const Json* one = keyword_of(schema, "const")) keep({*one});
    if (const Json* list = document_.list(schema, "enum")) {
      if (list->empty()) document_.malformed(schema, "enum", "values");
      keep(std::vector<Json>(list->begin(), list->end()));
    }
  }

  // Of `enum` and `const` what the other keywords allow.
  void filter_values(SchemaNode& node, const Parts& parts) {
    const bool structured = std::any_of(node.values->begin(), node.values->end(),
                                        [](const Json& value) { return value.is_structured(); });
    if (structured) {
      for (const SchemaPart& part : parts) {
        for (const char* keyword :
             {"properties", "patternProperties", "additionalProperties", "propertyNames",
              "required", "minProperties", "maxProperties", "unevaluatedProperties", "items",
              "prefixItems", "additionalItems", "minItems", "maxItems", "unevaluatedItems"}) {
          if (keyword_of(*part.schema, keyword) == nullptr) continue;
          document_.refuse(*part.schema, keyword,
                           fmt::format("'{}' beside lists and objects of 'enum' or 'const' cannot "
                                       "be enforced",
                                       keyword));
        }
      }
    }
    std::erase_if(*node.values, [&](const Json& value) { return !value_allowed(node, value); });
  }

  std::optional<Bound> bound_of(const Json& schema, std::string_view keyword, bool open) {
    const Json* value = keyword_of(schema, keyword);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) document_.malformed(schema, keyword, "a number");
    return Bound{Decimal::of(*value), open};
  }

  static void tighten(std::optional<Bound>& bound, const std::optional<Bound>& other, int sign) {
    if (!other) return;
    const int order = bound ? sign * other->value.compare(bound->value) : 1;
    if (order > 0 || (order == 0 && other->open)) bound = other;
  }

  void add_numbers(SchemaNode& node, const Parts& parts) {
    NumberLimits& limits = node.number;
    const Json* last = nullptr;
    for (const SchemaPart& part : parts) {
      const Json& schema = *part.schema;
      for (const auto& [plain, exclusive, sign] : {std::tuple("minimum", "exclusiveMinimum", 1),
                                                   std::tuple("maximum", "exclusiveMaximum", -1)}) {
        std::optional<Bound>& bound = sign > 0 ? limits.least : limits.most;
        const Json* open = keyword_of(schema, exclusive);  // draft 4: whether the other is open
        const bool flag = open != nullptr && open->is_boolean();
        const std::optional<Bound> closed = bound_of(schema, plain, flag && open->get<bool>());
        tighten(bound, closed, sign);
        if (!flag) tighten(bound, bound_of(schema, exclusive, true), sign);
        if (closed || open != nullptr) last = &schema;
      }
      if (const Json* multiple = keyword_of(schema, "multipleOf")) {
        const double value = multiple->is_number() ? multiple->get<double>() : 0;
        if (!(value > 0)) document_.malformed(schema, "multipleOf", "a number above 0");
        if (value > 1e6 || value != static_cast<double>(static_cast<int64_t>(value))) {
          document_.refuse(schema, "multipleOf",
                           "only multiples of whole numbers up to a million can be enforced");
        }
        limits.multiple = std::lcm(limits.multiple, static_cast<int64_t>(value));
        if (limits.multiple > 1000000) {
          document_.refuse(schema, "multipleOf", "multiples of so much cannot be enforced");
        }
        node.types = static_cast<uint8_t>(node.types & ~kJsonFraction);
        last = &schema;
      }
    }
    limits.integers = (node.types & kJsonInteger) != 0;
    limits.fractions = (node.types & kJsonFraction) != 0;
    try {
      if (last != nullptr && number_limits_empty(limits)) {
        node.types = static_cast<uint8_t>(node.types & ~kJsonNumber);
      } else if (!node.values) {
        EbnfWriter writer(size_t{1} << 20);
        number_element(limits, writer);
      }
    } catch (const Error& error) {
      if (last == nullptr) throw;
      document_.refuse(*last, "", reason_of(error));
    }
  }

  // An error's message without its first "[room] ".
  static std::string reason_of(const Error& error) {
    const std::string text = error.what();
    const size_t end = text.find("] ");
    return end == std::string::npos ? text : text.substr(end + 2);
  }

  void add_strings(SchemaNode& node, const Parts& parts) {
    std::optional<TextAutomaton> text;
    const auto keep = [&](const TextAutomaton& other) {
      text = text ? text->intersect(other) : other;
    };
    std::set<std::string> seen;
    for (const SchemaPart& part : parts) {
      const Json& schema = *part.schema;
      const int64_t least = std::max<int64_t>(0, document_.count(schema, "minLength"));
      const int64_t most = document_.count(schema, "maxLength");
      in_place(schema, most < 0 ? "minLength" : "maxLength", [&] {
        if (most >= 0 && least > most) {
          node.types = static_cast<uint8_t>(node.types & ~kJsonString);
        } else if (least > 0 || most >= 0) {
          keep(TextAutomaton::of_lengths(least, most));
        }
      });
      for (const char* name : {"pattern", "format"}) {
        const Json* value = keyword_of(schema, name);
        if (value == nullptr) continue;
        if (!value->is_string()) document_.malformed(schema, name, "a string");
        const auto& expression = value->get_ref<const std::string&>();
        if (!seen.insert(std::string(name) + expression).second) continue;
        in_place(schema, name, [&] { keep(automaton_of(schema, name, expression)); });
      }
    }
    if (!text) return;
    if (text->empty()) node.types = static_cast<uint8_t>(node.types & ~kJsonString);
    node.text = std::make_shared<const TextAutomaton>(std::move(*text));
  }

  // Errors of `f` say the place.
  template <typename F>
  void in_place(const Json& schema, std::string_view keyword, F&& f) {
    try {
      f();
    } catch (const Error& error) {
      const std::string reason = reason_of(error);
      if (reason.starts_with("#")) throw;
      if (error.code() == ErrorCode::kInvalidArgument) {
        document_.malformed(schema, keyword, "a regular expression: " + reason);
      }
      document_.refuse(schema, keyword, reason);
    }
  }

  TextAutomaton automaton_of(const Json& schema, std::string_view keyword,
                             const std::string& text) {
    if (keyword == "pattern") return TextAutomaton::of_regex(text, RegexUse::kFind);
    const std::string_view expression = format_expression(text);
    if (expression.empty()) {
      document_.refuse(schema, keyword, fmt::format("the format '{}' is not known", text));
    }
    return TextAutomaton::of_regex(expression, RegexUse::kWhole);
  }

  void add_arrays(SchemaNode& node, const Parts& parts) {
    struct Group {
      const Json* first = nullptr;  // a list of schemas
      const Json* rest = nullptr;
    };
    std::vector<Group> groups;
    size_t places = 0;
    for (const SchemaPart& part : parts) {
      const Json& schema = *part.schema;
      node.min_items = std::max(node.min_items, document_.count(schema, "minItems"));
      const int64_t most = document_.count(schema, "maxItems");
      if (most >= 0) node.max_items = node.max_items < 0 ? most : std::min(node.max_items, most);
      Group group;
      group.first = document_.list(schema, "prefixItems");
      group.rest = keyword_of(schema, "items");
      if (group.rest != nullptr && group.rest->is_array()) {  // before 2020-12
        group.first = group.rest;
        group.rest = keyword_of(schema, "additionalItems");
      }
      if (group.rest == nullptr) group.rest = keyword_of(schema, "unevaluatedItems");
      if (group.first != nullptr) places = std::max(places, group.first->size());
      if (group.first != nullptr || group.rest != nullptr) groups.push_back(group);
      if (places > kMaxItems) {
        document_.refuse(schema, "", fmt::format("more than {} places of an array", kMaxItems));
      }
    }
    for (size_t i = 0; i <= places; ++i) {
      Parts here;
      const Json* place = &document_.root();
      for (const Group& group : groups) {
        const Json* schema =
            group.first != nullptr && i < group.first->size() ? &(*group.first)[i] : group.rest;
        if (schema == nullptr) continue;
        here.push_back({schema, 0});
        place = schema;
      }
      const int id = node_of(here, *place);
      if (i < places) {
        node.items.push_back(id);
      } else {
        node.more_items = id;
      }
    }
  }

  void add_objects(SchemaNode& node, const Parts& parts);
  void read_patterns(const Parts& parts);
  void add_others(SchemaNode& node, const Parts& parts);
  std::optional<TextAutomaton> names_of(const Parts& parts);
  int member_node(const Parts& parts, const std::vector<bool>& matches, const std::string* name);
  void add_member(SchemaNode& node, const std::string& name, const Parts& parts, bool required);

  // patternProperties of the parts at hand.
  struct NamePattern {
    size_t part = 0;
    const Json* schema = nullptr;
    TextAutomaton names;
  };
  static constexpr size_t kMaxPatterns = 4;
  std::vector<NamePattern> patterns_;
  const SchemaLimits& limits_;
  SchemaDocument document_;
  CheckedSchema out_;
  std::map<Parts, int> ids_;
  size_t parts_ = 0;                                // of all nodes
  std::unordered_map<std::string, size_t> member_;  // places in the members of the node at hand
  std::vector<std::pair<int, Parts>> pending_;
};

// What holds for a member of the parts' objects that has these of the patterns, and this name where
// it is not null.
int SchemaChecker::member_node(const Parts& parts, const std::vector<bool>& matches,
                               const std::string* name) {
  Parts here;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Json& schema = *parts[i].schema;
    const size_t before = here.size();
    const Json* properties = name != nullptr ? document_.object(schema, "properties") : nullptr;
    spend_work(5 + patterns_.size() + (properties == nullptr ? 0 : properties->size()));
    if (const Json* own = properties != nullptr ? keyword_of(*properties, *name) : nullptr) {
      here.push_back({own, 0});
    }
    for (size_t p = 0; p < patterns_.size(); ++p) {
      if (patterns_[p].part == i && matches[p]) here.push_back({patterns_[p].schema, 0});
    }
    if (here.size() > before) continue;
    const Json* rest = keyword_of(schema, "additionalProperties");
    if (rest == nullptr) rest = keyword_of(schema, "unevaluatedProperties");
    if (rest != nullptr) here.push_back({rest, 0});
  }
  return node_of(here, here.empty() ? document_.root() : *here[0].schema);
}

void SchemaChecker::add_member(SchemaNode& node, const std::string& name, const Parts& parts,
                               bool required) {
  const auto [known, added] = member_.try_emplace(name, node.members.size());
  if (!added) {
    SchemaNode::Member& member = node.members[known->second];
    member.required = member.required || required;
    return;
  }
  std::vector<bool> matches;
  matches.reserve(patterns_.size());
  for (const NamePattern& pattern : patterns_) matches.push_back(pattern.names.has(name));
  node.members.push_back({name, member_node(parts, matches, &name), required});
}

void SchemaChecker::read_patterns(const Parts& parts) {
  patterns_.clear();
  for (size_t i = 0; i < parts.size(); ++i) {
    const Json* patterns = document_.object(*parts[i].schema, "patternProperties");
    if (patterns == nullptr) continue;
    for (const auto& [pattern, value] : patterns->items()) {
      in_place(*patterns, pattern, [&] {
        patterns_.push_back({i, &value, TextAutomaton::of_regex(pattern, RegexUse::kFind)});
      });
      if (patterns_.size() > kMaxPatterns) {
        document_.refuse(*parts[i].schema, "patternProperties",
                         fmt::format("more than {} patterns cannot be enforced", kMaxPatterns));
      }
    }
  }
}

void SchemaChecker::add_objects(SchemaNode& node, const Parts& parts) {
  read_patterns(parts);
  member_.clear();
  for (const SchemaPart& part : parts) {
    const Json& schema = *part.schema;
    if (const Json* properties = document_.object(schema, "properties")) {
      for (const auto& [name, value] : properties->items()) add_member(node, name, parts, false);
    }
    const int64_t most = document_.count(schema, "maxProperties");
    if (most >= 0) {
      node.max_members = node.max_members < 0 ? most : std::min(node.max_members, most);
    }
    node.min_members = std::max(node.min_members, document_.count(schema, "minProperties"));
  }
  for (const SchemaPart& part : parts) {
    const Json* names = document_.list(*part.schema, "required");
    if (names == nullptr) continue;
    for (const Json& name : *names) {
      if (!name.is_string()) document_.malformed(*part.schema, "required", "names of properties");
      add_member(node, name.get<std::string>(), parts, true);
    }
  }
  add_others(node, parts);
  int64_t required = 0;
  for (const SchemaNode::Member& member : node.members) required += member.required ? 1 : 0;
  // Each may come next at first: 10 ms a member to work out, 0.2 ms each time.
  if (static_cast<int64_t>(node.members.size()) - required > kMaxOptional) {
    document_.refuse(*parts[0].schema, "",
                     fmt::format("more than {} properties that are not required", kMaxOptional));
  }
  if (node.min_members <= required) node.min_members = 0;
  if (node.min_members > 1 && !node.others.empty()) {
    document_.refuse(*parts[0].schema, "",
                     "'minProperties' above the number of required properties, and above 1, cannot "
                     "be enforced without 'additionalProperties': false");
  }
}

// The members that have no name in the schemas, by the patterns that their names have.
void SchemaChecker::add_others(SchemaNode& node, const Parts& parts) {
  node.others.clear();
  std::optional<TextAutomaton> names = names_of(parts);
  std::vector<std::string> taken;
  for (SchemaNode::Member& member : node.members) {
    if (names && !names->has(member.name)) member.node = kNever;
    taken.push_back(member.name);
  }
  in_place(*parts[0].schema, "", [&] {
    if (!taken.empty()) {
      names = (names ? *names : TextAutomaton::any()).minus(TextAutomaton::of_texts(taken));
    }
    for (uint32_t set = 0; set < 1U << patterns_.size(); ++set) {
      std::optional<TextAutomaton> here = names;
      std::vector<bool> matches;
      for (size_t p = 0; p < patterns_.size(); ++p) {
        matches.push_back((set >> p & 1) != 0);
        if (!here) here = TextAutomaton::any();
        here = matches[p] ? here->intersect(patterns_[p].names) : here->minus(patterns_[p].names);
      }
      if (here && here->empty()) continue;
      const int id = member_node(parts, matches, nullptr);
      if (id == kNever) continue;
      node.others.push_back(
          {here ? std::make_shared<const TextAutomaton>(std::move(*here)) : nullptr, id});
    }
  });
}

// What propertyNames lets members be called; absent: anything.
std::optional<TextAutomaton> SchemaChecker::names_of(const Parts& parts) {
  std::optional<TextAutomaton> out;
  const auto keep = [&](const TextAutomaton& names) { out = out ? out->intersect(names) : names; };
  for (const SchemaPart& part : parts) {
    const Json* names = keyword_of(*part.schema, "propertyNames");
    if (names == nullptr) continue;
    Parts all;
    if (!document_.expand({{names, 0}}, all)) {
      keep(TextAutomaton::of_texts({}));
      continue;
    }
    SchemaNode name;
    for (const SchemaPart& one : all) {
      for (const char* keyword : {"anyOf", "oneOf"}) {
        if (keyword_of(*one.schema, keyword) == nullptr) continue;
        document_.refuse(*one.schema, keyword,
                         fmt::format("'{}' inside 'propertyNames' cannot be enforced", keyword));
      }
      if (const Json* type = keyword_of(*one.schema, "type")) {
        name.types &= type_bits(document_, *one.schema, *type);
      }
      apply_not(name, *one.schema);
      add_values(name, *one.schema);
    }
    add_strings(name, all);
    in_place(*part.schema, "propertyNames", [&] {
      if ((name.types & kJsonString) == 0) keep(TextAutomaton::of_texts({}));
      if (name.text != nullptr) keep(*name.text);
      if (!name.values) return;
      std::vector<std::string> texts;
      for (const Json& value : *name.values) {
        if (value.is_string()) texts.push_back(value.get<std::string>());
      }
      keep(TextAutomaton::of_texts(texts));
    });
  }
  return out;
}

}  // namespace

CheckedSchema check_schema(std::string_view schema, const SchemaLimits& limits) {
  return SchemaChecker(schema, limits).run();
}

}  // namespace ingot
