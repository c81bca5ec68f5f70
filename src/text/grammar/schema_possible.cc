#include "text/grammar/schema_possible.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "text/grammar/work_budget.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
constexpr int kNothing = 1;    // the node that allows nothing
constexpr int kMaxDepth = 12;  // of looking for what tells alternatives apart

[[noreturn]] void refuse(const SchemaNode& node, std::string_view why) {
  fail(ErrorCode::kUnsupported, kWhere, "{}: {}", node.pointer, why);
}

uint8_t type_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return kJsonNull;
    case Json::value_t::boolean:
      return kJsonBoolean;
    case Json::value_t::string:
      return kJsonString;
    case Json::value_t::array:
      return kJsonArray;
    case Json::value_t::object:
      return kJsonObject;
    default:
      return Decimal::of(value).whole() ? kJsonInteger : kJsonFraction;
  }
}

class Settler {
 public:
  Settler(CheckedSchema& schema, uint64_t exclusive_steps)
      : nodes_(schema.nodes), root_(schema.root), exclusive_steps_(exclusive_steps) {}

  void run() {
    for (size_t i = 0; i < nodes_.size(); ++i) find_loop(static_cast<int>(i));
    for (SchemaNode& node : nodes_) node.possible = false;
    for (bool changed = true; changed;) {
      changed = false;
      for (SchemaNode& node : nodes_) {
        if (node.possible || !can_be(node)) continue;
        node.possible = changed = true;
      }
    }
    for (SchemaNode& node : nodes_) prune(node);
    if (!at(root_).possible) refuse(at(root_), "no value of finite length is of this schema");
    for (const SchemaNode& node : nodes_) {
      if (node.exclusive) check_exclusive(node);
    }
  }

 private:
  const SchemaNode& at(int id) const { return nodes_[static_cast<size_t>(id)]; }

  // Choices that lead back to themselves without a value between.
  void find_loop(int start) {
    if (state_.empty()) state_.assign(nodes_.size(), 0);
    std::vector<std::pair<int, size_t>> path{{start, 0}};
    if (state_[static_cast<size_t>(start)] != 0) return;
    state_[static_cast<size_t>(start)] = 1;
    while (!path.empty()) {
      auto& [id, next] = path.back();
      const SchemaNode& node = at(id);
      if (next == node.choices.size()) {
        state_[static_cast<size_t>(id)] = 2;
        path.pop_back();
        continue;
      }
      const int child = node.choices[next++];
      uint8_t& state = state_[static_cast<size_t>(child)];
      if (state == 1) refuse(node, "the schema means itself, without a value between");
      if (state == 0) {
        state = 1;
        path.emplace_back(child, 0);
      }
    }
  }

  bool can_be(const SchemaNode& node) const {
    spend_work(4 + node.choices.size() + node.items.size() + node.members.size());
    if (!node.choices.empty()) {
      return std::any_of(node.choices.begin(), node.choices.end(),
                         [&](int id) { return at(id).possible; });
    }
    if (node.values) return !node.values->empty();
    const uint8_t scalars = kJsonNull | kJsonBoolean | kJsonNumber | kJsonString;
    return (node.types & scalars) != 0 || array_can_be(node) || object_can_be(node);
  }

  int64_t most_items(const SchemaNode& node) const {
    int64_t places = 0;
    for (const int id : node.items) {
      if (!at(id).possible) break;
      ++places;
    }
    const bool ends =
        places < static_cast<int64_t>(node.items.size()) || !at(node.more_items).possible;
    if (!ends) return node.max_items;
    return node.max_items < 0 ? places : std::min(places, node.max_items);
  }

  bool array_can_be(const SchemaNode& node) const {
    if ((node.types & kJsonArray) == 0) return false;
    const int64_t most = most_items(node);
    return most < 0 || node.min_items <= most;
  }

  bool others_can_be(const SchemaNode& node) const {
    return std::any_of(node.others.begin(), node.others.end(),
                       [&](const SchemaNode::Others& others) { return at(others.node).possible; });
  }

  bool object_can_be(const SchemaNode& node) const {
    if ((node.types & kJsonObject) == 0) return false;
    int64_t required = 0, possible = 0;
    for (const SchemaNode::Member& member : node.members) {
      if (at(member.node).possible) {
        ++possible;
      } else if (member.required) {
        return false;
      }
      required += member.required ? 1 : 0;
    }
    if (node.max_members >= 0 && std::max(required, node.min_members) > node.max_members) {
      return false;
    }
    return others_can_be(node) || possible >= node.min_members;
  }

  void prune(SchemaNode& node) {
    std::erase_if(node.choices, [&](int id) { return !at(id).possible; });
    if (!array_can_be(node)) node.types = static_cast<uint8_t>(node.types & ~kJsonArray);
    if (!object_can_be(node)) node.types = static_cast<uint8_t>(node.types & ~kJsonObject);
    node.max_items = most_items(node);
    std::erase_if(node.others,
                  [&](const SchemaNode::Others& others) { return !at(others.node).possible; });
  }

  void check_exclusive(const SchemaNode& node) {
    WorkBudget budget(exclusive_steps_);
    try {
      for (size_t i = 0; i < node.choices.size(); ++i) {
        for (size_t j = 0; j < i; ++j) {
          if (disjoint(at(node.choices[i]), at(node.choices[j]), 0)) continue;
          fail(ErrorCode::kUnsupported, kWhere,
               "{}: 'oneOf' whose schemas {} and {} may allow the same value cannot be enforced",
               node.pointer, at(node.choices[j]).pointer, at(node.choices[i]).pointer);
        }
      }
    } catch (const Error&) {
      if (budget.spent() < exclusive_steps_) throw;
      fail(ErrorCode::kUnsupported, kWhere,
           "{}: 'oneOf' whose schemas are not told apart in {} steps cannot be enforced",
           node.pointer, exclusive_steps_);
    }
  }

  bool disjoint(const SchemaNode& a, const SchemaNode& b, int depth) {
    if (!a.possible || !b.possible) return true;
    if (depth > kMaxDepth) return false;
    const ptrdiff_t one = &a - nodes_.data(), two = &b - nodes_.data();
    spend_work(40);
    const auto [known, added] =
        told_apart_.try_emplace({std::min(one, two), std::max(one, two)}, Apart());
    // What failed with as many levels to go fails again.
    if (!added && (known->second.yes || depth >= known->second.depth)) return known->second.yes;
    known->second.depth = depth;  // an answer that needs itself is none
    return known->second.yes = work_out_disjoint(a, b, depth);
  }

  bool work_out_disjoint(const SchemaNode& a, const SchemaNode& b, int depth) {
    if (!a.choices.empty()) {
      return std::all_of(a.choices.begin(), a.choices.end(),
                         [&](int id) { return disjoint(at(id), b, depth + 1); });
    }
    if (!b.choices.empty()) return work_out_disjoint(b, a, depth);
    if (a.values) return values_disjoint(a, b);
    if (b.values) return values_disjoint(b, a);
    const uint8_t both = a.types & b.types;
    if ((both & (kJsonNull | kJsonBoolean)) != 0) return false;
    if ((both & kJsonNumber) != 0 && !numbers_disjoint(a.number, b.number)) return false;
    if ((both & kJsonString) != 0 && !texts_disjoint(a, b)) return false;
    if ((both & kJsonArray) != 0 && !arrays_disjoint(a, b, depth)) return false;
    return (both & kJsonObject) == 0 || objects_disjoint(a, b, depth);
  }

  static bool values_disjoint(const SchemaNode& a, const SchemaNode& b) {
    std::set<std::string> others;
    if (b.values) {
      for (const Json& other : *b.values) others.insert(json_key(other));
    }
    return std::none_of(a.values->begin(), a.values->end(), [&](const Json& value) {
      return b.values ? others.contains(json_key(value)) : value_allowed(b, value);
    });
  }

  static bool numbers_disjoint(const NumberLimits& a, const NumberLimits& b) {
    const auto below = [](const std::optional<Bound>& most, const std::optional<Bound>& least) {
      if (!most || !least) return false;
      const int order = most->value.compare(least->value);
      return order < 0 || (order == 0 && (most->open || least->open));
    };
    return below(a.most, b.least) || below(b.most, a.least);
  }

  static bool texts_disjoint(const SchemaNode& a, const SchemaNode& b) {
    return a.text != nullptr && b.text != nullptr && a.text->intersect(*b.text).empty();
  }

  bool arrays_disjoint(const SchemaNode& a, const SchemaNode& b, int depth) {
    if ((a.max_items >= 0 && a.max_items < b.min_items) ||
        (b.max_items >= 0 && b.max_items < a.min_items)) {
      return true;
    }
    const auto item = [&](const SchemaNode& node, int64_t i) -> const SchemaNode& {
      const auto place = static_cast<size_t>(i);
      return at(place < node.items.size() ? node.items[place] : node.more_items);
    };
    const int64_t common = std::min<int64_t>(std::max(a.min_items, b.min_items), 8);
    for (int64_t i = 0; i < common; ++i) {
      if (disjoint(item(a, i), item(b, i), depth + 1)) return true;
    }
    return false;
  }

  // A required member that the other forbids, or gives other values.
  bool objects_disjoint(const SchemaNode& a, const SchemaNode& b, int depth) {
    for (const auto& [node, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
      for (const SchemaNode::Member& member : node->members) {
        if (!member.required) continue;
        spend_work(other->members.size());
        const auto known =
            std::find_if(other->members.begin(), other->members.end(),
                         [&](const SchemaNode::Member& m) { return m.name == member.name; });
        int id = kNothing;
        if (known != other->members.end()) {
          id = known->node;
        } else {
          for (const SchemaNode::Others& others : other->others) {
            if (others.names == nullptr || others.names->has(member.name)) id = others.node;
          }
        }
        if (disjoint(at(member.node), at(id), depth + 1)) return true;
      }
    }
    return false;
  }

  std::vector<SchemaNode>& nodes_;
  int root_;
  uint64_t exclusive_steps_;
  std::vector<uint8_t> state_;
  struct Apart {
    bool yes = false;
    int depth = kMaxDepth + 1;  // the least at which the answer was no
  };
  std::map<std::pair<ptrdiff_t, ptrdiff_t>, Apart> told_apart_;  // pairs of nodes, the lower first
};

}  // namespace

std::string json_key(const Json& value) {
  spend_work(50);
  if (value.is_number()) return Decimal::of(value).text();
  if (!value.is_structured()) {
    std::string out = value.dump();
    spend_work(out.size());
    return out;
  }
  std::vector<std::string> parts;
  for (const auto& [key, item] : value.items()) {
    parts.push_back((value.is_object() ? Json(key).dump() + ":" : "") + json_key(item));
  }
  if (value.is_object()) std::sort(parts.begin(), parts.end());
  return fmt::format("{}{}{}", value.is_array() ? "[" : "{", fmt::join(parts, ","),
                     value.is_array() ? "]" : "}");
}

bool value_allowed(const SchemaNode& node, const Json& value) {
  const uint8_t type = type_of(value);
  if ((node.types & type) == 0) return false;
  spend_work(20);
  if (value.is_number()) return number_within(node.number, value);
  if (!value.is_string() || node.text == nullptr) return true;
  return node.text->has(value.get_ref<const std::string&>());
}

void settle_schema(CheckedSchema& schema, uint64_t exclusive_steps) {
  Settler(schema, exclusive_steps).run();
}

}  // namespace ingot
