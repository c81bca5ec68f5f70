// What filters, methods and the interpreter share: members, subscripts, slices, comparison.
#include "text/jinja/library.h"

#include <algorithm>

#include "text/utf8.h"

namespace ingot::jinja {

Value Arguments::get(size_t position, std::string_view name) const {
  if (position < positional.size()) return positional[position];
  for (const auto& [key, value] : keywords) {
    if (key == name) return value;
  }
  return {};
}

Value lowered(Host& host, Value value) {
  if (value.str() == nullptr) return value;
  host.charge_bytes(value.str()->size());
  return change_case(*value.str(), CaseChange::kLower);
}

const Str& need_text(Host& host, const Value& value, std::string_view who) {
  if (value.str() == nullptr) {
    host.error(fmt::format(
        "{} needs a string, found a value of type {}{}", who, value.type_name(),
        value.is_undefined() ? fmt::format(" ('{}')", value.undefined_name()) : std::string()));
  }
  return *value.str();
}

int64_t need_int(Host& host, const Value& value, std::string_view who) {
  if (!value.is_integral()) {
    host.error(
        fmt::format("{} needs an integer, found a value of type {}", who, value.type_name()));
  }
  return value.as_int();
}

Values members(Host& host, const Value& value, std::string_view who) {
  if (value.is_undefined()) return {};
  if (const List* list = value.list()) {
    host.charge_items(list->items.size());
    return list->items;
  }
  if (const List* generator = value.generator()) {
    host.charge_items(generator->items.size());
    const auto from = generator->items.begin() + static_cast<int64_t>(generator->taken);
    Values items(from, generator->items.end());
    generator->taken = generator->items.size();
    if (generator->failure != nullptr) std::rethrow_exception(generator->failure);
    return items;
  }
  if (const Dict* dict = value.dict()) {
    host.charge_items(dict->items.size());
    Values keys;
    for (const auto& item : dict->items) keys.push_back(item.first);
    return keys;
  }
  if (const Str* s = value.str()) {
    host.charge_items(s->size() * 4);
    Values chars;
    for (size_t i = 0; i < s->size();) {
      const size_t end = i + decode_utf8(s->text(), i).length;
      chars.push_back(s->substr(i, end));
      i = end;
    }
    return chars;
  }
  host.error(fmt::format("{} needs something to iterate over, found a value of type {}", who,
                         value.type_name()));
}

namespace {

Value loop_attribute(const Loop& loop, std::string_view name) {
  if (name == "index0") return loop.index0;
  if (name == "index") return loop.index0 + 1;
  if (name == "first") return loop.index0 == 0;
  if (name == "last") return loop.index0 + 1 == loop.length;
  if (name == "length") return loop.length;
  if (name == "revindex") return loop.length - loop.index0;
  if (name == "revindex0") return loop.length - loop.index0 - 1;
  if (name == "previtem") return loop.previous;
  if (name == "nextitem") return loop.next;
  if (name == "depth") return loop.level;
  if (name == "depth0") return loop.level - 1;
  return Undefined{std::string(name)};
}

// Byte offsets of the characters and of the end.
std::vector<size_t> char_offsets(const Str& text) {
  std::vector<size_t> offsets;
  size_t i = 0;
  for (; i < text.size(); i += decode_utf8(text.text(), i).length) offsets.push_back(i);
  offsets.push_back(i);
  return offsets;
}

}  // namespace

Value items_of(Host& host, const Value& dict) {
  if (dict.dict() == nullptr) host.error(fmt::format("items of a {}", dict.type_name()));
  host.charge_items(dict.dict()->items.size());
  Values out;
  for (const auto& [k, v] : dict.dict()->items) out.push_back(make_list({k, v}, true));
  return make_list(std::move(out));
}

Value attribute(const Value& object, std::string_view name) {
  if (const Dict* dict = object.dict()) {
    if (const Value* found = dict->find(name)) return *found;
  } else if (Namespace* ns = object.ns()) {
    if (const Value* found = ns->find(name)) return *found;
  } else if (const Loop* loop = object.loop()) {
    return loop_attribute(*loop, name);
  } else if (const List* pair = object.list(); pair && pair->tuple && pair->items.size() == 2) {
    // What groupby makes.
    if (name == "grouper") return pair->items[0];
    if (name == "list") return pair->items[1];
  }
  return Undefined{std::string(name)};
}

Value subscript(Host& host, const Value& object, const Value& key) {
  if (object.is_undefined()) {
    host.error(fmt::format("'{}' is undefined", object.undefined_name()));
  }
  if (const Dict* dict = object.dict()) {
    host.charge_items(dict->items.size() / 16);
    const Value* found = dict->find(key);
    return found != nullptr ? *found : Value(Undefined{to_str(key).text()});
  }
  if (key.is_integral() && (object.list() != nullptr || object.str() != nullptr)) {
    int64_t index = key.as_int();
    const Str* text = object.str();
    if (text != nullptr) host.charge_bytes(text->size());
    const int64_t size = text != nullptr ? static_cast<int64_t>(count_chars(*text))
                                         : static_cast<int64_t>(object.list()->items.size());
    if (index < 0) index += size;
    if (index < 0 || index >= size) return Undefined{"an index out of range"};
    if (text == nullptr) return object.list()->items[static_cast<size_t>(index)];
    const auto offsets = char_offsets(*text);
    const auto i = static_cast<size_t>(index);
    return text->substr(offsets[i], offsets[i + 1]);
  }
  if (key.str() != nullptr) return attribute(object, key.str()->text());
  return Undefined{to_str(key).text()};
}

namespace {
// Python's slice bounds: the first index, the one behind the last, and how many indexes by steps of
// `step`.
struct SliceRange {
  int64_t first = 0;
  int64_t end = 0;
  int64_t count = 0;
};
SliceRange slice_range(Host& host, int64_t size, const Value& start, const Value& stop,
                       int64_t step) {
  const auto bound = [&](const Value& v, int64_t absent) {
    if (v.is_none() || v.is_undefined()) return absent;
    int64_t i = need_int(host, v, "a slice");
    if (i < 0) i = i < -size ? -1 : i + size;
    const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? size - 1 : size;
    return std::clamp(i, low, std::max(low, high));
  };
  const int64_t first = bound(start, step < 0 ? size - 1 : 0);
  const int64_t last = bound(stop, step < 0 ? -1 : size);
  const int64_t span = step < 0 ? first - last : last - first;
  const int64_t stride = std::abs(step);
  return {first, last, span <= 0 ? 0 : (span - 1) / stride + 1};
}

// A slice of a range is a range.
RangeBounds bounds_of_slice(Host& host, const RangeBounds& bounds, const SliceRange& range,
                            int64_t step) {
  RangeBounds out;
  const bool far = __builtin_mul_overflow(range.first, bounds.step, &out.start) ||
                   __builtin_add_overflow(out.start, bounds.start, &out.start) ||
                   __builtin_mul_overflow(range.end, bounds.step, &out.stop) ||
                   __builtin_add_overflow(out.stop, bounds.start, &out.stop) ||
                   __builtin_mul_overflow(step, bounds.step, &out.step);
  if (far) host.error("a slice of a range is out of range");
  return out;
}
}  // namespace

Value slice(Host& host, const Value& object, const Value& start, const Value& stop,
            const Value& step_value) {
  int64_t step = 1;
  if (!step_value.is_none()) step = need_int(host, step_value, "a slice");
  if (step == 0 || step < -INT32_MAX || step > INT32_MAX)
    host.error("a slice's step is out of range");
  if (const Str* text = object.str()) {
    host.charge_bytes(text->size());
    host.charge_items(text->size() / 8);
    const auto offsets = char_offsets(*text);
    const auto range =
        slice_range(host, static_cast<int64_t>(offsets.size()) - 1, start, stop, step);
    if (range.count == 0) return Str();
    const auto first = static_cast<size_t>(range.first);
    if (step == 1) return text->substr(offsets[first], offsets[first + range.count]);
    Str out;
    for (int64_t k = 0; k < range.count; ++k) {
      const auto i = static_cast<size_t>(range.first + k * step);
      out.append(text->substr(offsets[i], offsets[i + 1]));
    }
    return out;
  }
  const List* list = object.list();
  if (object.is_undefined()) host.error(fmt::format("'{}' is undefined", object.undefined_name()));
  if (list == nullptr) return Undefined{fmt::format("a slice of a {}", object.type_name())};
  const auto range = slice_range(host, static_cast<int64_t>(list->items.size()), start, stop, step);
  host.charge_items(static_cast<size_t>(range.count));
  Values items;
  for (int64_t k = 0; k < range.count; ++k) {
    items.push_back(list->items[static_cast<size_t>(range.first + k * step)]);
  }
  if (!list->range) return make_list(std::move(items), list->tuple);
  return make_range(std::move(items), bounds_of_slice(host, *list->range, range, step));
}

bool contains(Host& host, const Value& container, const Value& member) {
  if (const Str* text = container.str()) {
    host.charge_bytes(text->size());
    return find_text(text->text(), need_text(host, member, "'in' a string").text()) !=
           std::string::npos;
  }
  if (const Dict* dict = container.dict()) {
    host.charge_items(dict->items.size() / 16);
    return dict->find(member) != nullptr;
  }
  const Values items = members(host, container, "'in'");
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& v) { return equal(host, v, member); });
}

bool equal(Host& host, const Value& a, const Value& b) {
  constexpr int64_t kMost = 1'000'000;
  int64_t left = kMost;
  const bool out = equal(a, b, left);
  const auto looked = static_cast<size_t>(kMost - left);
  if (looked > 1) host.charge_items(looked);
  return out;
}

int compare(Host& host, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_float() || b.is_float()) {
      return a.as_double() < b.as_double() ? -1 : a.as_double() > b.as_double() ? 1 : 0;
    }
    return a.as_int() < b.as_int() ? -1 : a.as_int() > b.as_int() ? 1 : 0;
  }
  if (a.str() != nullptr && b.str() != nullptr) return a.str()->text().compare(b.str()->text());
  if (a.list() != nullptr && b.list() != nullptr && !a.range() && !b.range()) {
    const Values &x = a.list()->items, &y = b.list()->items;
    host.charge_items(std::min(x.size(), y.size()));
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (const int c = equal(host, x[i], y[i]) ? 0 : compare(host, x[i], y[i]); c != 0) return c;
    }
    return x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0;
  }
  host.error(fmt::format("values of type {} and {} have no order", a.type_name(), b.type_name()));
}

}  // namespace ingot::jinja
