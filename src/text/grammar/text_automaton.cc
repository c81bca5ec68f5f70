#include "text/grammar/text_automaton.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "text/grammar/work_budget.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
constexpr size_t kMaxParts = 40000;              // of an expression, repetitions written out
constexpr size_t kMaxMembers = size_t{1} << 21;  // parts of all states, 4 bytes each

[[noreturn]] void too_large() {
  fail(ErrorCode::kUnsupported, kWhere,
       "texts with so many states cannot be enforced; at most {}, one a character of a length",
       TextAutomaton::kMaxStates);
}

// Thompson's construction.
struct Nondeterministic {
  struct Part {
    CodeSet set;  // leads to next[0]; empty: all of next, without a character
    std::vector<size_t> next;
    bool end = false;
  };
  std::vector<Part> parts;

  size_t add() {
    spend_work(4);
    if (parts.size() >= kMaxParts) too_large();
    parts.emplace_back();
    return parts.size() - 1;
  }
  // Builds the node behind `from`; returns where it ends.
  size_t build(const RegexNode& node, size_t from) {
    using Kind = RegexNode::Kind;
    switch (node.kind) {
      case Kind::kClass: {
        spend_work(16 * node.set.ranges().size());
        const size_t step = add(), end = add();
        parts[from].next.push_back(step);
        parts[step].set = node.set;
        if (!node.set.empty()) parts[step].next.push_back(end);
        return end;
      }
      case Kind::kChoice: {
        const size_t end = add();
        for (const RegexNode& child : node.children) {
          const size_t begin = add();
          parts[from].next.push_back(begin);
          parts[build(child, begin)].next.push_back(end);
        }
        return end;
      }
      case Kind::kRepeat:
        return build_repeat(node, from);
      default:
        for (const RegexNode& child : node.children) from = build(child, from);
        return from;
    }
  }
  size_t build_repeat(const RegexNode& node, size_t from) {
    for (int32_t i = 0; i < node.least; ++i) from = build(node.children[0], from);
    const size_t end = add();
    if (node.most < 0) {
      const size_t loop = add();
      parts[from].next.push_back(loop);
      parts[build(node.children[0], loop)].next.push_back(loop);
      parts[loop].next.push_back(end);
      return end;
    }
    for (int32_t i = node.least; i < node.most; ++i) {
      parts[from].next.push_back(end);
      from = build(node.children[0], from);
    }
    parts[from].next.push_back(end);
    return end;
  }

  // The parts that take a character, and the end, which these lead to without one.
  std::vector<uint32_t> closed(std::vector<size_t> queue) const {
    spend_work(parts.size() / 64 + queue.size());
    std::vector<uint32_t> out;
    std::vector<bool> seen(parts.size());
    for (const size_t at : queue) seen[at] = true;
    while (!queue.empty()) {
      const Part& part = parts[queue.back()];
      if (part.end || !part.set.empty()) out.push_back(static_cast<uint32_t>(queue.back()));
      queue.pop_back();
      if (!part.set.empty()) continue;
      spend_work(1 + part.next.size());
      for (const size_t next : part.next) {
        if (seen[next]) continue;
        seen[next] = true;
        queue.push_back(next);
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  }
};

// What overlapping sets lead to, as disjoint sets and all they lead to together.
template <typename Target>
std::map<std::vector<Target>, CodeSet> partition(
    const std::vector<std::pair<const CodeSet*, Target>>& edges) {
  struct Cut {
    char32_t at;
    int change;  // of how many sets that lead to the target hold the characters from here on
    Target target;
  };
  std::vector<Cut> cuts;
  for (const auto& [set, target] : edges) {
    spend_work(8 * set->ranges().size());
    for (const auto& [low, high] : set->ranges()) {
      cuts.push_back({low, 1, target});
      cuts.push_back({high + 1, -1, target});
    }
  }
  std::sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) { return a.at < b.at; });
  std::map<std::vector<Target>, std::vector<CodeSet::Range>> groups;
  std::map<Target, int> held;
  for (size_t i = 0; i < cuts.size();) {
    const char32_t begin = cuts[i].at;
    for (; i < cuts.size() && cuts[i].at == begin; ++i) {
      const auto it = held.try_emplace(cuts[i].target, 0).first;
      it->second += cuts[i].change;
      if (it->second == 0) held.erase(it);
    }
    if (held.empty()) continue;
    spend_work(2 * held.size());
    std::vector<Target> targets;
    targets.reserve(held.size());
    for (const auto& [target, count] : held) targets.push_back(target);
    groups[std::move(targets)].push_back({begin, cuts[i].at - 1});
  }
  std::map<std::vector<Target>, CodeSet> out;
  for (const auto& [targets, ranges] : groups) out.emplace(targets, CodeSet(ranges));
  return out;
}

}  // namespace

TextAutomaton::TextAutomaton(const RegexNode& expression) {
  Nondeterministic machine;
  const size_t start = machine.add();
  machine.parts[machine.build(expression, start)].end = true;
  std::map<std::vector<uint32_t>, int> ids;
  std::vector<const std::vector<uint32_t>*> sets;
  size_t members = 0;
  const auto id_of = [&](const std::vector<size_t>& from) {
    std::vector<uint32_t> set = machine.closed(from);
    const size_t size = set.size();
    const auto [it, added] = ids.try_emplace(std::move(set), static_cast<int>(sets.size()));
    if (added) {
      members += size;
      if (sets.size() >= kMaxStates || members > kMaxMembers) too_large();
      sets.push_back(&it->first);
    }
    return it->second;
  };
  id_of({start});
  for (size_t i = 0; i < sets.size(); ++i) {
    State state;
    std::vector<std::pair<const CodeSet*, size_t>> edges;
    for (const uint32_t at : *sets[i]) {
      state.accepts = state.accepts || machine.parts[at].end;
      if (!machine.parts[at].set.empty()) {
        edges.emplace_back(&machine.parts[at].set, machine.parts[at].next[0]);
      }
    }
    for (auto& [targets, set] : partition(edges)) {
      const int id = id_of(targets);
      state.next.emplace_back(set, id);
    }
    states_.push_back(std::move(state));
  }
  prune();
}

TextAutomaton TextAutomaton::of_regex(std::string_view expression, RegexUse use) {
  return TextAutomaton(parse_regex(expression, use));
}

TextAutomaton TextAutomaton::of_lengths(int64_t least, int64_t most) {
  if (std::max(least, most) >= static_cast<int64_t>(kMaxStates)) too_large();
  TextAutomaton out;
  const int64_t last = most < 0 ? least : most;
  for (int64_t i = 0; i <= last; ++i) {
    State state;
    state.accepts = i >= least;
    if (i < last || most < 0) {
      state.next.emplace_back(CodeSet::all(), static_cast<int>(std::min(i + 1, last)));
    }
    out.states_.push_back(std::move(state));
  }
  out.prune();
  return out;
}

TextAutomaton TextAutomaton::of_texts(const std::vector<std::string>& texts) {
  TextAutomaton out;
  out.states_.resize(1);
  std::vector<std::map<char32_t, int>> next(1);
  for (const std::string& text : texts) {
    size_t at = 0;
    spend_work(4 * text.size());
    for (size_t i = 0; i < text.size();) {
      const Utf8Char c = decode_utf8(text, i);
      i += c.length;
      const auto [it, added] = next[at].try_emplace(c.code, static_cast<int>(next.size()));
      const auto target = static_cast<size_t>(it->second);
      if (added) {
        if (next.size() >= 4 * kMaxStates) too_large();
        next.emplace_back();
        out.states_.emplace_back();
      }
      at = target;
    }
    out.states_[at].accepts = true;
  }
  for (size_t i = 0; i < next.size(); ++i) {
    for (const auto& [code, target] : next[i]) {
      out.states_[i].next.emplace_back(CodeSet::of(code), target);
    }
  }
  out.prune();
  return out;
}

TextAutomaton TextAutomaton::combine(const TextAutomaton& other, bool negate) const {
  TextAutomaton out;
  if (empty()) return out;
  if (other.empty()) return negate ? *this : out;
  std::map<std::pair<int, int>, int> ids;  // the other's -1: no text of it begins so
  std::vector<std::pair<int, int>> pairs;
  const auto id_of = [&](int a, int b) {
    const auto [it, added] = ids.try_emplace({a, b}, static_cast<int>(pairs.size()));
    if (added) {
      if (pairs.size() >= 4 * kMaxStates) too_large();
      pairs.emplace_back(a, b);
    }
    return it->second;
  };
  id_of(0, 0);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto [a, b] = pairs[i];
    const State& left = states_[static_cast<size_t>(a)];
    static const State kNone;
    const State& right = b < 0 ? kNone : other.states_[static_cast<size_t>(b)];
    State state;
    state.accepts = left.accepts && right.accepts != negate;
    for (const auto& [set, target] : left.next) {
      CodeSet rest = set;
      for (const auto& [other_set, other_target] : right.next) {
        spend_work(2 + set.ranges().size() + other_set.ranges().size() + rest.ranges().size());
        const CodeSet both = set.intersect(other_set);
        if (both.empty()) continue;
        spend_work(8 * both.ranges().size());
        state.next.emplace_back(both, id_of(target, other_target));
        if (negate) rest = rest.minus(other_set);
      }
      if (negate && !rest.empty()) state.next.emplace_back(rest, id_of(target, -1));
    }
    out.states_.push_back(std::move(state));
  }
  out.prune();
  if (out.states_.size() > kMaxStates) too_large();
  return out;
}

void TextAutomaton::prune() {
  std::vector<std::vector<size_t>> before(states_.size());
  std::vector<size_t> queue;
  std::vector<bool> live(states_.size());
  for (size_t i = 0; i < states_.size(); ++i) {
    for (const auto& [set, target] : states_[i].next) {
      before[static_cast<size_t>(target)].push_back(i);
    }
    if (!states_[i].accepts) continue;
    live[i] = true;
    queue.push_back(i);
  }
  while (!queue.empty()) {
    const size_t at = queue.back();
    queue.pop_back();
    for (const size_t from : before[at]) {
      if (live[from]) continue;
      live[from] = true;
      queue.push_back(from);
    }
  }
  if (states_.empty() || !live[0]) {
    states_.clear();
    return;
  }
  std::vector<int> ids(states_.size(), -1);
  int kept = 0;
  for (size_t i = 0; i < states_.size(); ++i) ids[i] = live[i] ? kept++ : -1;
  std::vector<State> out;
  for (size_t i = 0; i < states_.size(); ++i) {
    if (!live[i]) continue;
    // One edge a target.
    std::map<int, std::vector<CodeSet::Range>> next;
    for (const auto& [set, target] : states_[i].next) {
      const int id = ids[static_cast<size_t>(target)];
      if (id < 0) continue;
      spend_work(1 + set.ranges().size());
      next[id].insert(next[id].end(), set.ranges().begin(), set.ranges().end());
    }
    State state;
    state.accepts = states_[i].accepts;
    for (const auto& [id, ranges] : next) state.next.emplace_back(CodeSet(ranges), id);
    out.push_back(std::move(state));
  }
  states_ = std::move(out);
}

bool TextAutomaton::has(std::string_view utf8) const {
  if (states_.empty()) return false;
  spend_work(utf8.size());
  size_t at = 0;
  for (size_t i = 0; i < utf8.size();) {
    const Utf8Char c = decode_utf8(utf8, i);
    i += c.length;
    const auto& next = states_[at].next;
    spend_work(next.size());
    const auto it = std::find_if(next.begin(), next.end(),
                                 [&](const auto& edge) { return edge.first.contains(c.code); });
    if (it == next.end()) return false;
    at = static_cast<size_t>(it->second);
  }
  return states_[at].accepts;
}

bool TextAutomaton::accepts_all(size_t state) const {
  const State& s = states_[state];
  return s.accepts && s.next.size() == 1 && s.next[0].second == static_cast<int>(state) &&
         s.next[0].first == CodeSet::all();
}

std::string TextAutomaton::rule(const Spelling& spelling, EbnfWriter& writer) const {
  std::vector<std::string> names(states_.size());
  for (size_t i = 0; i < states_.size(); ++i) {
    const bool free = !spelling.rest.empty() && accepts_all(i);
    names[i] = free ? spelling.rest : writer.name("text");
  }
  for (size_t i = 0; i < states_.size(); ++i) {
    if (names[i] == spelling.rest) continue;
    std::string body;
    if (states_[i].accepts) body = spelling.in_json ? "\"\\\"\"" : "\"\"";
    for (const auto& [set, target] : states_[i].next) {
      spend_work(10 + 10 * set.ranges().size());
      if (!body.empty()) body += " | ";
      const bool any = !spelling.any_char.empty() && set == CodeSet::all();
      const std::string one =
          any ? spelling.any_char : (spelling.in_json ? json_char_element(set) : ebnf_class(set));
      body += one + " " + names[static_cast<size_t>(target)];
    }
    writer.define(names[i], body);
  }
  return names[0];
}

}  // namespace ingot
