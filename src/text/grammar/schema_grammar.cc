#include "text/grammar/schema_grammar.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "text/grammar/work_budget.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
constexpr size_t kMaxObjectStates = 20000;

void add_option(std::string& body, std::string_view option) {
  if (!body.empty()) body += " | ";
  body += option;
}

class SchemaWriter {
 public:
  // `spelling`: of the root's members; null: it is JSON.
  SchemaWriter(const CheckedSchema& schema, EbnfWriter& writer, const MemberSpelling* spelling)
      : schema_(schema), writer_(writer), names_(schema.nodes.size()), spelling_(spelling) {}

  std::string run() {
    space_ = writer_.add("space", "\"\" | \" \" | \"\\n\" [ ]{0,40}");
    const std::string hex = "[0-9a-fA-F]";
    escape_ = writer_.add(
        "escape", fmt::format("[\\\"\\\\/bfnrt] | \"u\" ([0-9abcefABCEF] {0} {0} {0} | [dD] [0-7] "
                              "{0} {0} | [dD] [89abAB] {0} {0} \"\\\\u\" [dD] [c-fC-F] {0} {0})",
                              hex));
    const std::string plain = ebnf_class(json_plain_codes());
    rest_ = writer_.name("text");
    writer_.define(rest_,
                   fmt::format("\"\\\"\" | {1} {0} | \"\\\\\" {2} {0}", rest_, plain, escape_));
    any_char_ = fmt::format("({} | \"\\\\\" {})", plain, escape_);
    string_ = writer_.add("string", "\"\\\"\" " + rest_);
    const std::string root =
        spelling_ == nullptr ? rule_of(schema_.root) : arguments_rule(schema_.root);
    while (!pending_.empty()) {
      const int id = pending_.back();
      pending_.pop_back();
      writer_.define(names_[static_cast<size_t>(id)], body(at(id)));
    }
    return root;
  }

 private:
  const SchemaNode& at(int id) const { return schema_.nodes[static_cast<size_t>(id)]; }

  const std::string& rule_of(int id) {
    std::string& name = names_[static_cast<size_t>(id)];
    if (name.empty()) {
      name = writer_.name("value");
      pending_.push_back(id);
    }
    return name;
  }

  std::string body(const SchemaNode& node) {
    std::string out;
    if (!node.choices.empty()) {
      for (const int id : node.choices) add_option(out, rule_of(id));
      return out;
    }
    if (node.values) {
      std::vector<std::string> texts;  // as they are spelled
      for (const Json& value : *node.values) {
        if (value.is_structured() || value.is_number_float()) {
          add_option(out, literal(value));
        } else {
          texts.push_back(value.dump());
        }
      }
      if (!texts.empty()) add_option(out, ebnf_texts(std::move(texts), writer_));
      return out;
    }
    if ((node.types & kJsonObject) != 0) add_option(out, object(node));
    if ((node.types & kJsonArray) != 0) add_option(out, array(node));
    if ((node.types & kJsonString) != 0) {
      add_option(out, node.text ? text_element(*node.text) : string_);
    }
    if ((node.types & kJsonNumber) != 0) add_option(out, number_element(node.number, writer_));
    if ((node.types & kJsonBoolean) != 0) add_option(out, "\"true\" | \"false\"");
    if ((node.types & kJsonNull) != 0) add_option(out, "\"null\"");
    return out;
  }

  std::string text_element(const TextAutomaton& text) {
    return "\"\\\"\" " + text.rule({true, rest_, any_char_}, writer_);
  }

  static std::string quoted(std::string_view text) { return ebnf_literal(Json(text).dump()); }

  std::string literal(const Json& value) {
    if (value.is_string()) return quoted(value.get_ref<const std::string&>());
    if (value.is_number_float()) {
      const Decimal exact = Decimal::of(value);
      if (exact.whole()) {  // 2.0 is 2
        return fmt::format("({} | {})", ebnf_literal(value.dump()), ebnf_literal(exact.text()));
      }
    }
    if (!value.is_structured()) return ebnf_literal(value.dump());
    std::string out = ebnf_literal(value.is_array() ? "[" : "{") + " " + space_;
    bool first = true;
    for (const auto& [key, item] : value.items()) {
      if (!first) out += " \",\" " + space_;
      first = false;
      if (value.is_object()) out += " " + quoted(key) + " \":\" " + space_;
      out += " " + literal(item);
    }
    if (!first) out += " " + space_;
    return out + " " + ebnf_literal(value.is_array() ? "]" : "}");
  }

  std::string array(const SchemaNode& node) {
    const int64_t most = node.max_items;
    const auto places = static_cast<int64_t>(node.items.size());
    std::string empty;
    if (node.min_items == 0) empty = "\"[\" " + space_ + " \"]\"";
    if (most == 0) return empty;
    // What follows `i` items, from the last place with a schema of its own to the first.
    const auto more = [&](int64_t i) -> std::string {
      const int64_t least = std::max<int64_t>(0, node.min_items - i);
      const int64_t limit = most < 0 ? -1 : most - i;
      if (limit == 0) return "";
      check_times(least, limit);
      return fmt::format("(\",\" {} {}){}", space_, rule_of(node.more_items),
                         ebnf_times(least, limit));
    };
    const int64_t last = most < 0 ? places : std::min(places, most);
    std::string tail = last < places ? "" : more(std::max<int64_t>(last, 1));
    for (int64_t i = last - 1; i >= 1; --i) {
      std::string option =
          fmt::format("\",\" {} {} {}", space_, rule_of(node.items[static_cast<size_t>(i)]), tail);
      if (i >= node.min_items) option = "\"\" | " + option;
      tail = writer_.add("items", option);
    }
    const std::string full =
        fmt::format("\"[\" {0} {1} {2} {0} \"]\"", space_,
                    rule_of(places > 0 ? node.items[0] : node.more_items), tail);
    return empty.empty() ? full : full + " | " + empty;
  }

  static void check_times(int64_t least, int64_t most) {
    constexpr int64_t kMax = 100000;
    if (std::max(least, most) > kMax) {
      fail(ErrorCode::kUnsupported, kWhere, "more than {} repetitions cannot be enforced", kMax);
    }
  }

  std::string object(const SchemaNode& node) {
    const std::string found = members(node, nullptr);
    if (found == "\"\"") return "\"{\" " + space_ + " \"}\"";
    return fmt::format("\"{{\" {0} {1} {0} \"}}\"", space_, found);
  }

  std::string separator(const MemberSpelling* spelling) const {
    return spelling == nullptr ? "\",\" " + space_ + " " : ebnf_literal(spelling->separator) + " ";
  }

  std::string spelled(const std::string& name, const std::string& value,
                      const MemberSpelling* spelling) const {
    if (spelling == nullptr) return fmt::format("{} \":\" {} {}", name, space_, value);
    return fmt::format("{} {} {} {} {}", ebnf_literal(spelling->begin), name,
                       ebnf_literal(spelling->middle), value, ebnf_literal(spelling->end));
  }

  // A member of that name; "": there is none.
  std::string named_member(const SchemaNode::Member& member, const MemberSpelling* spelling) {
    if (!at(member.node).possible) return "";
    if (spelling == nullptr) return spelled(quoted(member.name), rule_of(member.node), nullptr);
    if (!spelling->names.has(member.name)) return "";
    const std::string value = argument(member.node, spelling->value_of(member.name));
    return value.empty() ? "" : spelled(ebnf_literal(member.name), value, spelling);
  }

  // What may follow `count` members, of which the first `i` named ones are done with; from the end
  // to the start. "": nothing may.
  std::string members(const SchemaNode& node, const MemberSpelling* spelling) {
    const auto named = static_cast<int64_t>(node.members.size());
    const int64_t counted = std::max({int64_t{1}, node.min_members, node.max_members});
    const int64_t most_count = std::min(counted, named);
    if (static_cast<size_t>((named + 1) * (most_count + 1)) > kMaxObjectStates) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: too many properties to count", node.pointer);
    }
    std::vector<std::string> after(static_cast<size_t>(most_count) + 1);
    const std::string pair = other_member(node, spelling);
    for (int64_t count = 0; count <= most_count; ++count) {
      after[static_cast<size_t>(count)] = others(node, pair, count, spelling);
    }
    for (int64_t i = named - 1; i >= 0; --i) {
      const SchemaNode::Member& member = node.members[static_cast<size_t>(i)];
      const std::string stated = named_member(member, spelling);
      std::vector<std::string> here(after.size());
      for (int64_t count = 0; count <= std::min(most_count, i); ++count) {
        spend_work(10);
        std::string out;
        const int64_t next = std::min(count + 1, counted);
        const bool fits = node.max_members < 0 || count < node.max_members;
        const std::string rest =
            fits && !stated.empty() ? after[static_cast<size_t>(std::min(next, most_count))] : "";
        if (!rest.empty()) {
          out = fmt::format("{}{} {}", count > 0 ? separator(spelling) : "", stated, rest);
        }
        const std::string& skipped = after[static_cast<size_t>(count)];
        if (!member.required && !skipped.empty()) add_option(out, skipped);
        if (!out.empty()) here[static_cast<size_t>(count)] = writer_.add("members", out);
      }
      after = std::move(here);
    }
    return after[0];
  }

  // The members that the schema does not name, after `count` others.
  std::string others(const SchemaNode& node, const std::string& pair, int64_t count,
                     const MemberSpelling* spelling) {
    const int64_t least = std::max<int64_t>(0, node.min_members - count);
    const int64_t most = node.max_members < 0 ? -1 : node.max_members - count;
    if (pair.empty() || most == 0) return least == 0 ? "\"\"" : "";
    check_times(least, most);
    const auto further = [&](int64_t from, int64_t to) {
      if (to == 0) return std::string();
      return fmt::format("({}{}){}", separator(spelling), pair, ebnf_times(from, to));
    };
    if (count > 0) return further(least, most);
    const std::string some =
        pair + " " + further(std::max<int64_t>(least - 1, 0), most < 0 ? -1 : most - 1);
    return writer_.add("others", least == 0 ? "\"\" | " + some : some);
  }

  std::string other_member(const SchemaNode& node, const MemberSpelling* spelling) {
    std::string out;
    for (const SchemaNode::Others& others : node.others) {
      if (spelling == nullptr) {
        const std::string key = others.names == nullptr ? string_ : text_element(*others.names);
        add_option(out, spelled(key, rule_of(others.node), nullptr));
        continue;
      }
      const TextAutomaton names =
          others.names == nullptr ? spelling->names : others.names->intersect(spelling->names);
      const std::string value =
          names.empty() || !at(others.node).possible ? "" : argument(others.node, spelling->others);
      if (!value.empty()) add_option(out, spelled(names.rule({}, writer_), value, spelling));
    }
    return out.empty() ? out : writer_.add("other", out);
  }

  // Objects of the node as `spelling_` has them, without what stands around.
  std::string arguments_rule(int id) {
    const std::string out = arguments(at(id));
    if (out.empty()) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: the model's form of calls has no such arguments",
           at(id).pointer);
    }
    return writer_.add("arguments", out);
  }

  std::string arguments(const SchemaNode& node) {
    std::string out;
    for (const int choice : node.choices) {
      const std::string one = arguments(at(choice));
      if (!one.empty()) add_option(out, one);
    }
    if (!node.choices.empty()) return out;
    if (!node.values) {
      return (node.types & kJsonObject) != 0 && node.possible ? members(node, spelling_) : "";
    }
    for (const Json& value : *node.values) {
      const std::string one = value.is_object() ? stated_arguments(value) : "";
      if (!one.empty()) add_option(out, one);
    }
    return out;
  }

  // "": the spelling has no such object.
  std::string stated_arguments(const Json& object) {
    std::string out = "\"\"";
    bool first = true;
    for (const auto& [name, value] : object.items()) {
      const MemberSpelling::Value kind = spelling_->value_of(name);
      const bool text = kind == MemberSpelling::Value::kText;
      const bool can_be = spelling_->names.has(name) &&
                          (!text || (value.is_string() &&
                                     !spelling_->no_text.has(value.get_ref<const std::string&>())));
      if (!can_be) return "";
      if (!first) out += " " + separator(spelling_);
      first = false;
      const std::string written =
          text ? ebnf_literal(value.get_ref<const std::string&>()) : literal(value);
      out += " " + spelled(ebnf_literal(name), written, spelling_);
    }
    return out;
  }

  // A value of the node where it is an argument; "": there is none.
  std::string argument(int id, MemberSpelling::Value kind) {
    if (kind == MemberSpelling::Value::kJson) return rule_of(id);
    std::string out = texts_of(at(id), kind);
    if (kind == MemberSpelling::Value::kEither) add_option(out, rule_of(id));
    return out.empty() ? out : writer_.add("argument", out);
  }

  // The node's strings as they are.
  std::string texts_of(const SchemaNode& node, MemberSpelling::Value kind) {
    const bool either = kind == MemberSpelling::Value::kEither;
    std::string out;
    for (const int choice : node.choices) {
      const std::string one = at(choice).possible ? texts_of(at(choice), kind) : "";
      if (!one.empty()) add_option(out, one);
    }
    if (!node.choices.empty()) return out;
    if (node.values) {
      std::vector<std::string> texts;
      for (const Json& value : *node.values) {
        if (!value.is_string()) continue;
        const auto& text = value.get_ref<const std::string&>();
        const bool other = either && spelling_->no_either.has(text);
        if (!other && !spelling_->no_text.has(text)) texts.push_back(text);
      }
      return texts.empty() ? "" : ebnf_texts(std::move(texts), writer_);
    }
    if ((node.types & kJsonString) == 0) return "";
    std::string& any = any_texts_[either ? 1 : 0];
    if (!node.text && !any.empty()) return any;
    TextAutomaton texts = (node.text ? *node.text : TextAutomaton::any()).minus(spelling_->no_text);
    if (either) texts = texts.minus(spelling_->no_either);
    const std::string rule = texts.empty() ? "" : texts.rule({}, writer_);
    if (!node.text) any = rule;
    return rule;
  }

  const CheckedSchema& schema_;
  EbnfWriter& writer_;
  std::vector<std::string> names_;  // of the nodes' rules
  const MemberSpelling* const spelling_;
  std::string any_texts_[2];  // the rules for strings of any text, of kText and kEither
  std::vector<int> pending_;
  std::string space_, escape_, rest_, any_char_, string_;
};

}  // namespace

std::string schema_rule(const CheckedSchema& schema, EbnfWriter& writer) {
  return SchemaWriter(schema, writer, nullptr).run();
}

std::string members_rule(const CheckedSchema& schema, const MemberSpelling& spelling,
                         EbnfWriter& writer) {
  return SchemaWriter(schema, writer, &spelling).run();
}

}  // namespace ingot
