// What a request may ask of an answer, as rules in XGrammar's syntax.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "text/grammar.h"
#include "text/grammar/ebnf_check.h"
#include "text/grammar/ebnf_writer.h"
#include "text/grammar/schema_check.h"
#include "text/grammar/schema_grammar.h"
#include "text/grammar/text_automaton.h"
#include "text/grammar/work_budget.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";

[[noreturn]] void malformed(std::string_view what, std::string_view expected) {
  fail(ErrorCode::kInvalidArgument, kWhere, "{}: expected {}", what, expected);
}

Json parse_source(const std::string& text, std::string_view what) {
  try {
    return parse_json(text, kWhere, what);
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidArgument, error.what());
  }
}

void check_text(std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    fail(ErrorCode::kInvalidArgument, kWhere, "the grammar has {} bytes; at most {} are taken",
         text.size(), max_bytes);
  }
  if (const size_t bad = validate_utf8(text); bad != kUtf8Valid) {
    fail(ErrorCode::kInvalidArgument, kWhere, "the grammar is not UTF-8 at byte {}", bad);
  }
}

std::string choice_element(const std::string& text, EbnfWriter& writer) {
  const Json list = parse_source(text, "choice");
  if (!list.is_array() || list.empty()) malformed("choice", "a list of texts");
  std::vector<std::string> texts;
  for (const Json& one : list) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty()) {
      malformed("choice", "texts that are not empty");
    }
    texts.push_back(one);
  }
  return writer.add("choice", ebnf_texts(std::move(texts), writer));
}

std::string regex_element(std::string_view expression, EbnfWriter& writer) {
  const TextAutomaton texts = TextAutomaton::of_regex(expression, RegexUse::kWhole);
  if (texts.empty()) fail(ErrorCode::kUnsupported, kWhere, "the expression has no text");
  return texts.rule({}, writer);
}

std::string schema_element(std::string_view text, size_t max_bytes, EbnfWriter& writer) {
  SchemaLimits limits;
  limits.max_bytes = max_bytes;
  return schema_rule(check_schema(text, limits), writer);
}

const std::string& text_of(const Json& object, const char* key, std::string_view what) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_string()) {
    malformed(fmt::format("{}.{}", what, key), "a text");
  }
  return it->get_ref<const std::string&>();
}

const Json& list_of(const Json& object, const char* key) {
  const auto it = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || it == object.end() || !it->is_array() || it->empty()) {
    malformed(key, "a list that is not empty");
  }
  return *it;
}

MemberSpelling::Value read_value(const Json& kind, const std::string& what) {
  if (kind == "json") return MemberSpelling::Value::kJson;
  if (kind == "text") return MemberSpelling::Value::kText;
  if (kind == "either") return MemberSpelling::Value::kEither;
  malformed(what, "json, text or either");
}

MemberSpelling read_members(const Json& members, const std::string& what) {
  if (!members.is_object()) malformed(what, "an object");
  const auto texts = [&](const char* key) {
    return TextAutomaton::of_regex(text_of(members, key, what), RegexUse::kWhole);
  };
  MemberSpelling out{text_of(members, "begin", what),
                     text_of(members, "middle", what),
                     text_of(members, "end", what),
                     text_of(members, "separator", what),
                     texts("names"),
                     texts("no_text"),
                     texts("no_either"),
                     {},
                     {}};
  out.others = read_value(members.value("others", Json()), what + ".others");
  const Json values = members.value("values", Json::object());
  if (!values.is_object()) malformed(what + ".values", "an object");
  for (const auto& [kind, names] : values.items()) {
    const MemberSpelling::Value value = read_value(kind, what + ".values");
    for (const Json& name : names) {
      if (!name.is_string()) malformed(fmt::format("{}.values.{}", what, kind), "names");
      out.values[name.get<std::string>()] = value;
    }
  }
  return out;
}

// A call of a tool, say: what stands around a value.
struct Structure {
  std::string begin, end;
  std::string schema;  // the name of the rule for values
};

Structure read_structure(const Json& structure, const std::string& what, size_t max_bytes,
                         EbnfWriter& writer) {
  if (!structure.is_object()) malformed(what, "an object");
  Structure out;
  out.begin = text_of(structure, "begin", what);
  out.end = text_of(structure, "end", what);
  const auto schema = structure.find("schema");
  const std::string inner =
      schema == structure.end()
          ? "{}"
          : (schema->is_string() ? schema->get<std::string>() : schema->dump());
  const auto members = structure.find("members");
  if (members == structure.end()) {
    out.schema = schema_element(inner, max_bytes, writer);
    return out;
  }
  SchemaLimits limits;
  limits.max_bytes = max_bytes;
  out.schema =
      members_rule(check_schema(inner, limits), read_members(*members, what + ".members"), writer);
  return out;
}

std::string tags_element(const std::string& text, size_t max_bytes, EbnfWriter& writer) {
  const Json tags = parse_source(text, "structural_tag");
  const Json& triggers = list_of(tags, "triggers");
  const Json& structures = list_of(tags, "structures");
  std::vector<std::string> bodies(triggers.size());
  for (size_t i = 0; i < triggers.size(); ++i) {
    if (!triggers[i].is_string() || triggers[i].get_ref<const std::string&>().empty()) {
      malformed(fmt::format("triggers.{}", i), "a text that is not empty");
    }
  }
  for (size_t i = 0; i < structures.size(); ++i) {
    const std::string what = fmt::format("structures.{}", i);
    const Structure one = read_structure(structures[i], what, max_bytes, writer);
    spend_work(triggers.size());
    size_t trigger = 0;
    while (trigger < triggers.size() &&
           !one.begin.starts_with(triggers[trigger].get_ref<const std::string&>())) {
      ++trigger;
    }
    if (trigger == triggers.size()) malformed(what + ".begin", "a text that begins as a trigger");
    const size_t taken = triggers[trigger].get_ref<const std::string&>().size();
    std::string& body = bodies[trigger];
    body += fmt::format("{}{} {} {}", body.empty() ? "" : " | ",
                        ebnf_literal(one.begin.substr(taken)), one.schema, ebnf_literal(one.end));
  }
  std::string dispatch;
  for (size_t i = 0; i < bodies.size(); ++i) {
    if (bodies[i].empty()) malformed(fmt::format("triggers.{}", i), "a structure that begins so");
    dispatch += fmt::format("{}({}, {})", dispatch.empty() ? "" : ", ",
                            ebnf_literal(triggers[i].get_ref<const std::string&>()),
                            writer.add("tag", bodies[i]));
  }
  return "TagDispatch(" + dispatch + ")";
}

// Any text but those that begin so behind white space.
std::string free_text_rule(const Json& beginnings, EbnfWriter& writer) {
  std::string expression;
  for (const Json& one : beginnings) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty()) {
      malformed("text", "beginnings that are not empty");
    }
    expression += expression.empty() ? "[ \\n\\t\\r]*(" : "|";
    for (const char c : one.get_ref<const std::string&>()) {
      const auto byte = static_cast<unsigned char>(c);
      expression += byte < 0x80 ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
    }
  }
  const auto calls = TextAutomaton::of_regex(expression + ")[\\s\\S]*", RegexUse::kWhole);
  return TextAutomaton::any().minus(calls).rule({}, writer);
}

std::string calls_element(const std::string& text, size_t max_bytes, EbnfWriter& writer) {
  const Json calls = parse_source(text, "calls");
  const Json& structures = list_of(calls, "structures");
  std::string body;
  for (size_t i = 0; i < structures.size(); ++i) {
    const std::string what = fmt::format("structures.{}", i);
    const Structure one = read_structure(structures[i], what, max_bytes, writer);
    if (one.begin.empty()) malformed(what + ".begin", "a text that is not empty");
    body += fmt::format("{}{} {} {}", body.empty() ? "" : " | ", ebnf_literal(one.begin),
                        one.schema, ebnf_literal(one.end));
  }
  const std::string call = writer.add("call", body);
  const auto most = calls.find("most");
  if (most != calls.end() && (!most->is_number_unsigned() || *most > 1))
    malformed("most", "0 or 1");
  const auto literal = [&](const char* key) {
    return ebnf_literal(calls.contains(key) ? text_of(calls, key, "calls") : "");
  };
  const bool one = most != calls.end() && *most == 1;
  const std::string more = one ? "" : fmt::format("({} {})*", literal("separator"), call);
  std::string out = fmt::format("{} {} {} {}", literal("open"), call, more, literal("close"));
  // No call, but a value.
  if (calls.contains("answer")) {
    out += " | " + schema_element(text_of(calls, "answer", "calls"), max_bytes, writer);
  }
  if (calls.contains("text")) {
    out += " | " + free_text_rule(list_of(calls, "text"), writer);
  }
  return out;
}

}  // namespace

std::string grammar_rules(const GrammarSource& source, const GrammarLimits& limits) {
  const WorkBudget budget(limits.max_steps, limits.deadline, limits.max_time);
  spend_work(source.text.size());
  check_text(source.text, limits.max_text_bytes);
  EbnfWriter writer(limits.max_rule_bytes);
  std::string root;
  switch (source.kind) {
    case GrammarKind::kJsonSchema:
      root = schema_element(source.text, limits.max_text_bytes, writer);
      break;
    case GrammarKind::kJsonObject:
      root = schema_element(R"({"type": "object"})", limits.max_text_bytes, writer);
      break;
    case GrammarKind::kRegex:
      root = regex_element(source.text, writer);
      break;
    case GrammarKind::kChoice:
      root = choice_element(source.text, writer);
      break;
    case GrammarKind::kStructuralTags:
      root = tags_element(source.text, limits.max_text_bytes, writer);
      break;
    case GrammarKind::kCalls:
      root = calls_element(source.text, limits.max_text_bytes, writer);
      break;
    case GrammarKind::kEbnf:
      root = ebnf_rules_element(source.text, writer);
      break;
  }
  writer.define("root", root);
  spend_work(writer.text().size());
  return writer.text();
}

}  // namespace ingot
