#include "server/structured_outputs.h"

#include <algorithm>

#include "server/api_error.h"

namespace ingot {
namespace {

ApiError expected(const std::string& path, std::string_view what) {
  return bad_request(path, fmt::format("'{}': expected {}", path, what));
}

std::string schema_text(const Json& schema, const std::string& path) {
  if (schema.is_object() || schema.is_boolean()) return schema.dump();
  if (schema.is_string()) return schema;
  throw expected(path, "a JSON Schema");
}

StructureWish json_schema_format(const Json& format) {
  const std::string path = "response_format.json_schema";
  const Json* inner = given(format, "json_schema");
  if (inner == nullptr) throw expected(path, "an object with name and schema");
  const std::string name = given(*inner, "name") ? inner->at("name").get<std::string>() : "";
  const bool plain =
      !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-';
      });
  if (!plain) throw expected(path + ".name", "1 to 64 letters, digits, '_' and '-'");
  const Json* schema = given(*inner, "schema");
  if (schema == nullptr) return {path, {GrammarKind::kJsonObject, ""}};
  const std::string field = path + ".schema";
  return {field, {GrammarKind::kJsonSchema, schema_text(*schema, field)}};
}

StructureWish tags_wish(const Json& tags, const std::string& path) {
  if (tags.is_string()) return {path, {GrammarKind::kStructuralTags, tags}};
  if (!tags.is_object()) throw expected(path, "an object with structures and triggers");
  Json plain = tags;
  plain.erase("type");
  return {path, {GrammarKind::kStructuralTags, plain.dump()}};
}

std::optional<StructureWish> response_format(const Json& format) {
  const std::string type = format["type"];
  for (const auto& [name, goes_with] :
       {std::pair{"json_schema", "json_schema"}, std::pair{"structures", "structural_tag"},
        std::pair{"triggers", "structural_tag"}}) {
    if (given(format, name) == nullptr || type == goes_with) continue;
    const std::string field = fmt::format("response_format.{}", name);
    throw bad_request(field, fmt::format("'{}': goes with the type {} alone", field, goes_with));
  }
  if (type == "text") return std::nullopt;
  if (type == "json_object")
    return StructureWish{"response_format", {GrammarKind::kJsonObject, ""}};
  if (type == "json_schema") return json_schema_format(format);
  return tags_wish(format, "response_format");
}

std::string choice_text(const Json& list, const std::string& path) {
  const bool texts = !list.empty() && std::ranges::all_of(list, [](const Json& one) {
    return one.is_string() && !one.get_ref<const std::string&>().empty();
  });
  if (!texts) throw expected(path, "texts that are not empty");
  return list.dump();
}

// One of its ways, and no other.
StructureWish structured_outputs(const Json& wish) {
  const std::string path = "structured_outputs";
  std::optional<StructureWish> out;
  for (const char* name : {"json", "json_object", "regex", "choice", "grammar", "structural_tag"}) {
    const Json* value = given(wish, name);
    if (value == nullptr || *value == false) continue;
    const std::string field = path + "." + name;
    if (out)
      throw expected(path, fmt::format("one constraint, found {} and {}", out->field, field));
    const std::string_view way = name;
    if (way == "json") {
      out = {field, {GrammarKind::kJsonSchema, schema_text(*value, field)}};
    } else if (way == "json_object") {
      out = {field, {GrammarKind::kJsonObject, ""}};
    } else if (way == "regex") {
      out = {field, {GrammarKind::kRegex, *value}};
    } else if (way == "choice") {
      out = {field, {GrammarKind::kChoice, choice_text(*value, field)}};
    } else if (way == "grammar") {
      out = {field, {GrammarKind::kEbnf, *value}};
    } else {
      out = tags_wish(*value, field);
    }
  }
  if (!out) {
    throw expected(path, "one of json, json_object, regex, choice, grammar and structural_tag");
  }
  return *out;
}

Field response_format_field() {
  return {.name = "response_format",
          .kinds = kObjectField,
          .fields = {{.name = "type",
                      .kinds = kTextField,
                      .one_of = {"text", "json_object", "json_schema", "structural_tag"},
                      .required = true},
                     {.name = "json_schema",
                      .kinds = kObjectField,
                      .fields = {{.name = "name", .kinds = kTextField},
                                 {.name = "description", .kinds = kTextField},
                                 {.name = "schema", .kinds = kObjectField, .open = true},
                                 {.name = "strict", .kinds = kBoolField}}},
                     {.name = "structures", .kinds = kListField, .max = 1024},
                     {.name = "triggers", .kinds = kListField, .max = 1024}},
          .help =
              "the answer is JSON: of a schema, or any object; properties come in the order of "
              "the schema, whether strict or not"};
}

}  // namespace

std::vector<Field> structure_fields() {
  return {
      response_format_field(),
      {.name = "structured_outputs",
       .kinds = kObjectField,
       .fields = {{.name = "json", .kinds = kObjectField | kTextField, .open = true},
                  {.name = "json_object", .kinds = kBoolField},
                  {.name = "regex", .kinds = kTextField, .min = 1},
                  {.name = "choice", .kinds = kListField, .min = 1, .max = 4096},
                  {.name = "grammar", .kinds = kTextField, .min = 1},
                  {.name = "structural_tag", .kinds = kObjectField | kTextField, .open = true},
                  {.name = "disable_any_whitespace",
                   .kinds = kBoolField,
                   .use = FieldUse::kRefused,
                   .neutral = false},
                  {.name = "disable_fallback", .kinds = kBoolField},
                  {.name = "disable_additional_properties",
                   .kinds = kBoolField,
                   .use = FieldUse::kRefused,
                   .neutral = false},
                  {.name = "whitespace_pattern", .use = FieldUse::kRefused}},
       .help = "one constraint, as vLLM names them; there never is a fallback"},
      {.name = "json_schema",
       .kinds = kObjectField,
       .open = true,
       .help = "llama-server's response_format"},
      {.name = "grammar",
       .kinds = kTextField,
       .min = 1,
       .help = "rules in EBNF; the answer is of the rule root"},
  };
}

std::optional<StructureWish> read_structure(const Json& body) {
  std::optional<StructureWish> out;
  const auto set = [&](std::optional<StructureWish> wish) {
    if (!wish) return;
    if (out) {
      const std::string field = wish->field.substr(0, wish->field.find('.'));
      throw bad_request(field, fmt::format("'{}': does not go with '{}'", field,
                                           out->field.substr(0, out->field.find('.'))));
    }
    out = std::move(wish);
  };
  if (const Json* format = given(body, "response_format")) set(response_format(*format));
  if (const Json* wish = given(body, "structured_outputs")) set(structured_outputs(*wish));
  if (const Json* schema = given(body, "json_schema")) {
    set(StructureWish{"json_schema", {GrammarKind::kJsonSchema, schema->dump()}});
  }
  if (const Json* grammar = given(body, "grammar")) {
    set(StructureWish{"grammar", {GrammarKind::kEbnf, *grammar}});
  }
  return out;
}

void check_goes_with_structure(const Json& body, const SamplingParams& sampling,
                               std::string_view field) {
  const bool biases_decide = std::ranges::any_of(
      sampling.logit_bias, [](const auto& one) { return one.second == -INFINITY; });
  const std::pair<const char*, bool> others[] = {
      {"use_beam_search", sampling.beam_width > 1},
      {"ignore_eos", sampling.ignore_eos},
      {"min_tokens", sampling.min_tokens > 0},
      {"bad_words", given(body, "bad_words") != nullptr && !body.at("bad_words").empty()},
      {"allowed_token_ids", given(body, "allowed_token_ids") != nullptr},
      {"logit_bias", biases_decide || !sampling.allowed_token_ids.empty()}};
  for (const auto& [name, set] : others) {
    if (!set) continue;
    const char* more = std::string_view(name) == "logit_bias" ? " of -100 or 100" : "";
    throw bad_request(name, fmt::format("'{}'{}: does not go with '{}'", name, more, field));
  }
}

}  // namespace ingot
