// Filters, sorted by name.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/more_filters.h"
#include "text/utf8.h"

namespace ingot::jinja {
namespace {

std::string text_argument(Host& host, const Arguments& args, size_t position, std::string_view name,
                          std::string_view fallback, std::string_view who) {
  const Value v = args.get(position, name);
  return v.is_undefined() ? std::string(fallback) : need_text(host, v, who).text();
}

// A dotted path ("function.name"); numbers index lists.
Value attribute_path(Host& host, Value value, const Value& path) {
  if (path.is_integral()) return subscript(host, value, path);
  const std::string& names = need_text(host, path, "an attribute").text();
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find('.', begin), names.size());
    const std::string_view part = std::string_view(names).substr(begin, end - begin);
    int64_t index = 0;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool number = parsed.ec == std::errc() && parsed.ptr == part.data() + part.size();
    if (value.is_undefined()) return value;
    value = number ? subscript(host, value, index) : attribute(value, part);
    begin = end + 1;
  }
  return value;
}

// The test that select and its kin apply: the rest of the arguments from `first` on, or truth.
bool passes(Host& host, const Value& value, const Arguments& args, size_t first) {
  if (args.positional.size() <= first) return value.truthy();
  const std::string& name = need_text(host, args.positional[first], "a test's name").text();
  const TestDef* test = find_test(name);
  if (test == nullptr) host.unsupported(fmt::format("test '{}'", name));
  Arguments rest;
  rest.positional.assign(args.positional.begin() + static_cast<int64_t>(first) + 1,
                         args.positional.end());
  return test->apply(host, value, rest);
}

Value keep(Host& host, const Value& in, const Arguments& args, bool by_attribute, bool wanted) {
  return lazily([&](Values& out) {
    if (!in.truthy()) return;
    if (by_attribute && args.positional.empty()) host.error("selectattr needs an attribute's name");
    for (const Value& item : members(host, in, "select")) {
      const Value subject = by_attribute ? attribute_path(host, item, args.positional[0]) : item;
      if (passes(host, subject, args, by_attribute ? 1 : 0) == wanted) out.push_back(item);
    }
  });
}

void map_items(Host& host, const Value& in, const Arguments& args, Values& out) {
  const Value path = args.get(SIZE_MAX, "attribute");
  if (!path.is_undefined()) {
    const Value fallback = args.get(SIZE_MAX, "default");
    for (const Value& item : members(host, in, "map")) {
      const Value found = attribute_path(host, item, path);
      out.push_back(found.is_undefined() && !fallback.is_undefined() ? fallback : found);
    }
    return;
  }
  if (args.positional.empty()) host.error("map needs a filter's name or an attribute");
  const std::string& name = need_text(host, args.positional[0], "map").text();
  const FilterDef* filter = find_filter(name);
  if (filter == nullptr) host.unsupported(fmt::format("filter '{}'", name));
  Arguments rest = args;
  rest.positional.erase(rest.positional.begin());
  for (const Value& item : members(host, in, "map")) {
    out.push_back(filter->apply(host, item, rest));
    if (out.back().str() != nullptr) host.charge_bytes(out.back().str()->size());
  }
}

Value map(Host& host, const Value& in, const Arguments& args) {
  return lazily([&](Values& out) {
    if (in.truthy()) map_items(host, in, args, out);
  });
}

Value string_of(Host& host, const Value& in, const Arguments&) {
  if (in.str() != nullptr) return in;
  Str out = to_str(in);
  host.charge_bytes(out.size());
  return out;
}

Value length_of(Host& host, const Value& in, const Arguments&) {
  if (in.str() != nullptr) {
    host.charge_bytes(in.str()->size());
    return static_cast<int64_t>(count_chars(*in.str()));
  }
  if (in.generator() != nullptr) host.error("length of a generator: 'list' takes its items");
  return static_cast<int64_t>(members(host, in, "length").size());
}

Value tojson(Host& host, const Value& in, const Arguments& args) {
  JsonStyle style;
  const Value indent = args.get(0, "indent");
  if (!indent.is_undefined() && !indent.is_none()) {
    style.indent = static_cast<int>(std::clamp<int64_t>(need_int(host, indent, "tojson"), 0, 16));
  }
  style.ascii = args.get(SIZE_MAX, "ensure_ascii").truthy();
  style.sort_keys = args.get(SIZE_MAX, "sort_keys").truthy();
  const Value separators = args.get(SIZE_MAX, "separators");
  if (const List* list = separators.list(); list != nullptr && list->items.size() == 2) {
    style.item_separator = need_text(host, list->items[0], "tojson").text();
    style.key_separator = need_text(host, list->items[1], "tojson").text();
  }
  Str out = to_json(in, style);
  host.charge_bytes(out.size());
  return out;
}

Value join(Host& host, const Value& in, const Arguments& args) {
  const Value separator = args.get(0, "d");
  const Str between = separator.is_undefined() ? Str() : to_str(separator);
  const Value path = args.get(1, "attribute");
  Str out;
  bool first = true;
  for (const Value& item : members(host, in, "join")) {
    if (!first) out.append(between);
    first = false;
    out.append(to_str(path.is_undefined() ? item : attribute_path(host, item, path)));
    if (out.size() > kMaxPrinted) host.error("a joined text is too long");
    host.charge_bytes(out.size() / 64);
  }
  host.charge_bytes(out.size());
  return out;
}

Value default_value(Host&, const Value& in, const Arguments& args) {
  const bool use = in.is_undefined() || (args.get(1, "boolean").truthy() && !in.truthy());
  if (!use) return in;
  const Value fallback = args.get(0, "default_value");
  return fallback.is_undefined() ? make_text("") : fallback;
}

Value to_int(Host& host, const Value& in, const Arguments& args) {
  const Value fallback = args.has(0, "default") ? args.get(0, "default") : Value(int64_t{0});
  if (in.is_integral()) return in.as_int();
  double real = 0;
  if (in.is_float()) {
    real = in.as_double();
  } else if (in.str() != nullptr) {
    const Str stripped = strip_text(*in.str(), "", 3);
    const std::string& s = stripped.text();
    const char* begin = s.data() + (s.starts_with('+') ? 1 : 0);
    int64_t out = 0;
    const auto whole = std::from_chars(begin, s.data() + s.size(), out);
    if (whole.ec == std::errc() && whole.ptr == s.data() + s.size()) return out;
    const auto part = std::from_chars(begin, s.data() + s.size(), real);
    if (part.ec != std::errc() || part.ptr != s.data() + s.size()) return fallback;
  } else {
    return fallback;
  }
  if (!(std::abs(real) < 9.2e18)) host.error("a number does not fit an integer");
  return static_cast<int64_t>(real);
}

Value to_float(Host&, const Value& in, const Arguments& args) {
  if (in.is_number()) return in.as_double();
  double real = 0;
  if (in.str() != nullptr) {
    const Str stripped = strip_text(*in.str(), "", 3);
    const std::string& s = stripped.text();
    const auto parsed = std::from_chars(s.data(), s.data() + s.size(), real);
    if (parsed.ec == std::errc() && parsed.ptr == s.data() + s.size()) return real;
  }
  return args.has(0, "default") ? args.get(0, "default") : Value(0.0);
}

Value round_number(Host& host, const Value& in, const Arguments& args) {
  if (!in.is_number()) host.error("round needs a number");
  const Value digits = args.get(0, "precision");
  const int64_t precision = digits.is_undefined() ? 0 : need_int(host, digits, "round");
  if (std::abs(precision) > 15) host.error("round's precision is out of range");
  const std::string method = text_argument(host, args, 1, "method", "common", "round");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double x = in.as_double() * scale;
  if (method == "ceil") return std::ceil(x) / scale;
  if (method == "floor") return std::floor(x) / scale;
  return std::nearbyint(x) / scale;
}

Value sort_items(Host& host, const Value& in, const Arguments& args) {
  Values items = members(host, in, "sort");
  const bool reverse = args.get(0, "reverse").truthy();
  const bool exact_case = args.get(1, "case_sensitive").truthy();
  const Value path = args.get(2, "attribute");
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : items) {
    Value key = path.is_undefined() ? item : attribute_path(host, item, path);
    if (!exact_case) key = lowered(host, std::move(key));
    keyed.emplace_back(std::move(key), std::move(item));
  }
  host.charge_items(items.size() * 20);
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reverse ? compare(host, b.first, a.first) < 0 : compare(host, a.first, b.first) < 0;
  });
  Values out;
  for (auto& [key, item] : keyed) out.push_back(std::move(item));
  return make_list(std::move(out));
}

Value items_filter(Host& host, const Value& in, const Arguments&) {
  return lazily([&](Values& out) {
    if (!in.is_undefined()) out = members(host, items_of(host, in), "items");
  });
}

Value dictsort(Host& host, const Value& in, const Arguments& args) {
  Arguments by;
  const bool by_value = text_argument(host, args, 1, "by", "key", "dictsort") == "value";
  by.keywords = {{"attribute", int64_t{by_value ? 1 : 0}},
                 {"case_sensitive", args.get(0, "case_sensitive").truthy()},
                 {"reverse", args.get(2, "reverse").truthy()}};
  return sort_items(host, items_of(host, in), by);
}

Value unique(Host& host, const Value& in, const Arguments& args) {
  const bool exact = args.get(0, "case_sensitive").truthy();
  const Value path = args.get(1, "attribute");
  return lazily([&](Values& out) {
    Values keys;
    for (const Value& item : members(host, in, "unique")) {
      Value key = path.is_undefined() ? item : attribute_path(host, item, path);
      if (!exact) key = lowered(host, std::move(key));
      host.charge_items(keys.size());
      const bool known = std::any_of(keys.begin(), keys.end(),
                                     [&](const Value& v) { return equal(host, v, key); });
      if (known) continue;
      keys.push_back(std::move(key));
      out.push_back(item);
    }
  });
}

Value indent(Host& host, const Value& in, const Arguments& args) {
  const Str& text = need_text(host, in, "indent");
  const Value width = args.get(0, "width");
  std::string pad(4, ' ');
  if (width.str() != nullptr) {
    pad = width.str()->text();
  } else if (!width.is_undefined()) {
    pad.assign(static_cast<size_t>(std::clamp<int64_t>(need_int(host, width, "indent"), 0, 256)),
               ' ');
  }
  const bool first = args.get(1, "first").truthy(), blank = args.get(2, "blank").truthy();
  Str out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.text().find('\n', begin), text.size());
    const bool pads = begin == 0 ? first : blank || end > begin;
    if (pads) out.append(pad, false);
    out.append(text.substr(begin, std::min(end + 1, text.size())));
    if (out.size() > kMaxPrinted) host.error("a joined text is too long");
    host.charge_bytes(out.size() / 64 + pad.size());
    begin = end + 1;
  }
  host.charge_bytes(out.size());
  return out;
}

Value extreme(Host& host, const Value& in, const Arguments& args, int sign) {
  const bool exact = args.get(0, "case_sensitive").truthy();
  const Value path = args.get(1, "attribute");
  Value best, best_key;
  for (const Value& item : members(host, in, "min and max")) {
    Value key = path.is_undefined() ? item : attribute_path(host, item, path);
    if (!exact) key = lowered(host, std::move(key));
    if (!best_key.is_undefined() && compare(host, key, best_key) * sign <= 0) continue;
    best = item;
    best_key = std::move(key);
  }
  return best;
}

Value end_member(Host& host, const Value& in, bool last) {
  if (in.list() != nullptr || in.str() != nullptr) {
    return subscript(host, in, int64_t{last ? -1 : 0});
  }
  if (const List* generator = in.generator()) {
    if (last) host.error("last of a generator: 'list' takes its items");
    if (generator->taken < generator->items.size()) return generator->items[generator->taken++];
  }
  const Values items = members(host, in, "first and last");
  if (items.empty()) return Undefined{"a member of an empty sequence"};
  return last ? items.back() : items.front();
}

Value sum(Host& host, const Value& in, const Arguments& args) {
  const Value path = args.get(0, "attribute");
  double real = 0;
  int64_t whole = 0;
  bool is_real = false;
  for (const Value& item : members(host, in, "sum")) {
    const Value v = path.is_undefined() ? item : attribute_path(host, item, path);
    if (!v.is_number()) host.error(fmt::format("sum of a {}", v.type_name()));
    is_real = is_real || v.is_float();
    real += v.as_double();
    if (!v.is_float() && __builtin_add_overflow(whole, v.as_int(), &whole)) {
      host.error("a sum does not fit an integer");
    }
  }
  return is_real ? Value(real) : Value(whole);
}

Value reversed(Host& host, const Value& in, const Arguments&) {
  if (in.str() != nullptr) return slice(host, in, None{}, None{}, int64_t{-1});
  Values items = members(host, in, "reverse");
  std::reverse(items.begin(), items.end());
  return in.generator() != nullptr ? make_list(std::move(items)) : make_generator(std::move(items));
}

Value replaced(Host& host, const Value& in, const Arguments& args) {
  const Value count = args.get(2, "count");
  return replace_text(
      host, to_str(in), need_text(host, args.get(0, "old"), "replace").text(),
      need_text(host, args.get(1, "new"), "replace"),
      count.is_undefined() || count.is_none() ? -1 : need_int(host, count, "replace"));
}

Value trimmed(Host& host, const Value& in, const Arguments& args) {
  const Value chars = args.get(0, "chars");
  const Str text = to_str(in);
  host.charge_bytes(text.size());
  return strip_text(text, chars.str() == nullptr ? std::string_view() : chars.str()->text(), 3);
}

Value cased(Host& host, const Value& in, CaseChange change) {
  const Str text = to_str(in);
  host.charge_bytes(text.size() * 4);
  return change_case(text, change);
}

Value absolute(Host& host, const Value& in, const Arguments&) {
  if (in.is_float()) return std::abs(in.as_double());
  const int64_t i = need_int(host, in, "abs");
  if (i == INT64_MIN) host.error("an integer does not fit 64 bits");
  return std::abs(i);
}

constexpr FilterDef kFilters[] = {
    {"abs", absolute},
    {"batch", batch_filter},
    {"capitalize", [](Host& h, const Value& v,
                      const Arguments&) { return cased(h, v, CaseChange::kCapitalize); }},
    {"center", center_filter},
    {"count", length_of},
    {"d", default_value},
    {"default", default_value},
    {"dictsort", dictsort},
    {"e", escape_filter},
    {"escape", escape_filter},
    {"first", [](Host& h, const Value& v, const Arguments&) { return end_member(h, v, false); }},
    {"float", to_float},
    {"forceescape", forceescape_filter},
    {"format", format_filter},
    {"from_json", from_json_filter},
    {"groupby", groupby_filter},
    {"indent", indent},
    {"int", to_int},
    {"items", items_filter},
    {"join", join},
    {"last", [](Host& h, const Value& v, const Arguments&) { return end_member(h, v, true); }},
    {"length", length_of},
    {"list",
     [](Host& h, const Value& v, const Arguments&) { return make_list(members(h, v, "list")); }},
    {"lower",
     [](Host& h, const Value& v, const Arguments&) { return cased(h, v, CaseChange::kLower); }},
    {"map", map},
    {"max", [](Host& h, const Value& v, const Arguments& a) { return extreme(h, v, a, 1); }},
    {"min", [](Host& h, const Value& v, const Arguments& a) { return extreme(h, v, a, -1); }},
    {"reject",
     [](Host& h, const Value& v, const Arguments& a) { return keep(h, v, a, false, false); }},
    {"rejectattr",
     [](Host& h, const Value& v, const Arguments& a) { return keep(h, v, a, true, false); }},
    {"replace", replaced},
    {"reverse", reversed},
    {"round", round_number},
    {"safe", safe_filter},
    {"select",
     [](Host& h, const Value& v, const Arguments& a) { return keep(h, v, a, false, true); }},
    {"selectattr",
     [](Host& h, const Value& v, const Arguments& a) { return keep(h, v, a, true, true); }},
    {"slice", slice_filter},
    {"sort", sort_items},
    {"string", string_of},
    {"sum", sum},
    {"title",
     [](Host& h, const Value& v, const Arguments&) { return cased(h, v, CaseChange::kWords); }},
    {"tojson", tojson},
    {"trim", trimmed},
    {"truncate", truncate_filter},
    {"unique", unique},
    {"upper",
     [](Host& h, const Value& v, const Arguments&) { return cased(h, v, CaseChange::kUpper); }},
    {"wordcount", wordcount_filter},
};

}  // namespace

const FilterDef* find_filter(std::string_view name) {
  const auto it = std::find_if(std::begin(kFilters), std::end(kFilters),
                               [&](const FilterDef& f) { return f.name == name; });
  return it == std::end(kFilters) ? nullptr : it;
}

}  // namespace ingot::jinja
