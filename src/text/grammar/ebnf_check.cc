#include "text/grammar/ebnf_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/grammar/ebnf_parser.h"
#include "text/grammar/work_budget.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
// Edges of the automata that XGrammar makes of the rules: some 0.1 us to compile and 4 bytes each;
// an element is as much as 16 of them. XGrammar writes out no more than so many repetitions.
constexpr uint64_t kMaxWeight = 2'000'000, kElement = 16, kCharacter = 4;
constexpr uint64_t kMaxTimes = 256, kMaxLeftOut = 128;
using Kind = EbnfElement::Kind;

class EbnfChecker {
 public:
  EbnfChecker(std::string_view text, EbnfWriter& writer)
      : text_(text), rules_(parse_ebnf(text)), writer_(writer), count_(rules_.rules.size()) {}

  std::string run() {
    find_reached();
    settle(finite_, &EbnfChecker::is_finite);
    settle(nullable_, &EbnfChecker::is_nullable);
    for (const int id : reached_) {
      if (!finite_[index(id)]) {
        malformed(at(id).at,
                  fmt::format("the rule '{}' has no text of finite length", at(id).name));
      }
    }
    for (const int id : reached_) check_repeats(at(id).body);
    find_loops();
    uint64_t total = 0;
    for (const int id : reached_) {
      total += weight(at(id).body).edges;
      if (total > kMaxWeight) {
        fail(ErrorCode::kUnsupported, kWhere,
             "{}: the rules are too large with the rule '{}', repetitions written out",
             ebnf_place(text_, at(id).at), at(id).name);
      }
    }
    names_.resize(count_);
    for (const int id : reached_) names_[index(id)] = writer_.name("rule");
    for (const int id : reached_) writer_.define(names_[index(id)], body(at(id).body));
    return names_[index(rules_.root)];
  }

 private:
  static size_t index(int id) { return static_cast<size_t>(id); }
  const EbnfRule& at(int id) const { return rules_.rules[index(id)]; }
  [[noreturn]] void malformed(size_t at, std::string_view what) const {
    fail(ErrorCode::kInvalidArgument, kWhere, "{}: {}", ebnf_place(text_, at), what);
  }

  template <typename F>
  static void each_rule(const EbnfElement& node, F&& f) {
    if (node.kind == Kind::kRule) f(node.rule);
    for (const EbnfElement& child : node.children) each_rule(child, f);
  }

  void find_reached() {
    users_.resize(count_);
    std::vector<bool> seen(count_);
    const auto add = [&](int id) {
      if (!seen[index(id)]) reached_.push_back(id);
      seen[index(id)] = true;
    };
    add(rules_.root);
    for (size_t i = 0; i < reached_.size(); ++i) {
      const int user = reached_[i];
      each_rule(at(user).body, [&](int id) {
        add(id);
        std::vector<int>& users = users_[index(id)];
        if (users.empty() || users.back() != user) users.push_back(user);
      });
    }
  }

  // The least set of rules for which `holds` is true, given those in it.
  using Set = std::vector<bool>;
  void settle(Set& set, bool (EbnfChecker::*holds)(const EbnfElement&) const) {
    set.assign(count_, false);
    std::vector<int> queue(reached_.rbegin(), reached_.rend());
    while (!queue.empty()) {
      const int id = queue.back();
      queue.pop_back();
      if (set[index(id)] || !(this->*holds)(at(id).body)) continue;
      set[index(id)] = true;
      queue.insert(queue.end(), users_[index(id)].begin(), users_[index(id)].end());
    }
  }

  bool is_finite(const EbnfElement& node) const {
    spend_work(1);
    const auto finite = [&](const EbnfElement& child) { return is_finite(child); };
    switch (node.kind) {
      case Kind::kRule:
        return finite_[index(node.rule)];
      case Kind::kSequence:
        return std::all_of(node.children.begin(), node.children.end(), finite);
      case Kind::kChoice:
        return std::any_of(node.children.begin(), node.children.end(), finite);
      case Kind::kRepeat:
        return node.least == 0 || is_finite(node.children[0]);
      default:
        return true;
    }
  }

  bool is_nullable(const EbnfElement& node) const {
    spend_work(1);
    const auto nullable = [&](const EbnfElement& child) { return is_nullable(child); };
    switch (node.kind) {
      case Kind::kText:
        return node.text.empty();
      case Kind::kClass:
        return false;
      case Kind::kRule:
        return nullable_[index(node.rule)];
      case Kind::kChoice:
        return std::any_of(node.children.begin(), node.children.end(), nullable);
      case Kind::kRepeat:
        return node.least == 0 || is_nullable(node.children[0]);
      default:
        return std::all_of(node.children.begin(), node.children.end(), nullable);
    }
  }

  void check_repeats(const EbnfElement& node) const {
    for (const EbnfElement& child : node.children) check_repeats(child);
    if (node.kind != Kind::kRepeat || node.most == 1 || !is_nullable(node.children[0])) return;
    malformed(node.at, "what is repeated may be empty; it needs a text of one character or more");
  }

  // Rules that mean themselves without a character between.
  void find_loops() {
    std::vector<std::vector<int>> next(count_);
    for (const int id : reached_) add_units(at(id).body, next[index(id)]);
    std::vector<uint8_t> state(count_);
    for (const int start : reached_) {
      if (state[index(start)] != 0) continue;
      std::vector<std::pair<int, size_t>> path{{start, 0}};
      state[index(start)] = 1;
      while (!path.empty()) {
        auto& [id, done] = path.back();
        if (done == next[index(id)].size()) {
          state[index(id)] = 2;
          path.pop_back();
          continue;
        }
        const int child = next[index(id)][done++];
        if (state[index(child)] == 1) {
          malformed(at(child).at, fmt::format("the rule '{}' means itself, without a text between",
                                              at(child).name));
        }
        if (state[index(child)] != 0) continue;
        state[index(child)] = 1;
        path.emplace_back(child, 0);
      }
    }
  }

  // The rules that alone may be all of the node's text.
  void add_units(const EbnfElement& node, std::vector<int>& out) const {
    if (node.kind == Kind::kRule) out.push_back(node.rule);
    if (node.kind != Kind::kSequence) {
      for (const EbnfElement& child : node.children) add_units(child, out);
      return;
    }
    size_t others = 0;  // that may not be empty
    const EbnfElement* only = nullptr;
    for (const EbnfElement& child : node.children) {
      if (is_nullable(child)) continue;
      ++others;
      only = &child;
    }
    if (others == 1) add_units(*only, out);
    if (others > 0) return;
    for (const EbnfElement& child : node.children) add_units(child, out);
  }

  // Elements that may be left out, in a row, lead from each to each.
  struct Weight {
    uint64_t edges = 0;
    uint64_t row = 0;  // places that may be left out at its end
  };
  Weight weight(const EbnfElement& node, uint64_t row = 0) const {
    Weight out;
    switch (node.kind) {
      case Kind::kText:
        out.edges = kCharacter * node.text.size() + row;
        break;
      case Kind::kClass:
        out.edges = node.set.ranges().size() * (kElement + row);
        break;
      case Kind::kRule:
        out.edges = kElement + row;
        break;
      case Kind::kSequence:
        for (const EbnfElement& child : node.children) {
          const Weight one = weight(child, row);
          out.edges += one.edges;
          row = one.row;
        }
        return {out.edges, row};
      case Kind::kChoice:
        for (const EbnfElement& child : node.children) {
          const Weight one = weight(child, row);
          out.edges += one.edges + kElement;
          out.row = std::max(out.row, one.row);
        }
        break;
      case Kind::kRepeat: {
        const auto times = static_cast<uint64_t>(std::max({node.least, node.most, 1}));
        const Weight one = weight(node.children[0], row);
        const auto left_out = node.most < 0 ? 1 : static_cast<uint64_t>(node.most - node.least);
        out.edges = std::min(times, kMaxTimes) * (one.edges + std::min(left_out, kMaxLeftOut) / 2);
        out.row = std::max(one.row, std::min(left_out, kMaxLeftOut));
        break;
      }
    }
    out.edges = std::min(out.edges, kMaxWeight + 1);
    if (is_nullable(node)) out.row = row + std::max<uint64_t>(out.row, 1);
    return out;
  }

  std::string body(const EbnfElement& node) const {
    switch (node.kind) {
      case Kind::kText:
        return ebnf_literal(node.text);
      case Kind::kClass:
        return ebnf_class(node.set);
      case Kind::kRule:
        return names_[index(node.rule)];
      case Kind::kRepeat:
        return "(" + body(node.children[0]) + ")" + ebnf_times(node.least, node.most);
      default:
        break;
    }
    std::string out;
    for (const EbnfElement& child : node.children) {
      const bool group = node.kind == Kind::kSequence && child.kind == Kind::kChoice;
      const std::string_view between = node.kind == Kind::kChoice ? " | " : " ";
      if (!out.empty()) out += between;
      out += group ? "(" + body(child) + ")" : body(child);
    }
    return out.empty() ? "\"\"" : out;
  }

  std::string_view text_;
  EbnfRules rules_;
  EbnfWriter& writer_;
  size_t count_;
  std::vector<int> reached_;             // from root, root first
  std::vector<std::vector<int>> users_;  // of each rule, those of reached_
  Set finite_, nullable_;
  std::vector<std::string> names_;
};

}  // namespace

std::string ebnf_rules_element(std::string_view text, EbnfWriter& writer) {
  return EbnfChecker(text, writer).run();
}

}  // namespace ingot
