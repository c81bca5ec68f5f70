// Methods of strings, lists, dictionaries and loops, and the global functions.
#include <algorithm>
#include <ctime>

#include "text/jinja/format.h"
#include "text/utf8.h"

namespace ingot::jinja {
namespace {

using Method = Value (*)(Host& host, const Value& self, const Arguments& args);
struct MethodDef {
  std::string_view name;
  Method apply;
};

const Str& text_argument(Host& host, const Arguments& args, size_t i, std::string_view who) {
  return need_text(host, args.get(i, ""), who);
}

Value strip(Host& host, const Value& self, const Arguments& args, int sides) {
  const Value chars = args.get(0, "chars");
  host.charge_bytes(self.str()->size());
  if (chars.is_undefined() || chars.is_none()) return strip_text(*self.str(), "", sides);
  const std::string& set = need_text(host, chars, "strip").text();
  if (set.empty()) return self;
  return strip_text(*self.str(), set, sides);
}

// Splits at runs of white space.
Values split_words(Host& host, const Str& text, int64_t most) {
  Values out;
  const std::string& s = text.text();
  size_t i = 0;
  const auto skip = [&](bool spaces) {
    while (i < s.size()) {
      const Utf8Char c = decode_utf8(s, i);
      if (is_unicode_space(c.code) != spaces) break;
      i += c.length;
    }
  };
  for (skip(true); i < s.size(); skip(true)) {
    host.charge_items(4);
    const size_t begin = i;
    if (most >= 0 && static_cast<int64_t>(out.size()) == most) {
      out.push_back(strip_text(text.substr(begin, s.size()), "", 2));
      break;
    }
    skip(false);
    out.push_back(text.substr(begin, i));
  }
  return out;
}

Value split(Host& host, const Value& self, const Arguments& args) {
  const Str& text = *self.str();
  host.charge_bytes(text.size());
  const Value separator = args.get(0, "sep");
  const Value limit = args.get(1, "maxsplit");
  const int64_t most = limit.is_undefined() ? -1 : need_int(host, limit, "split");
  if (separator.is_undefined() || separator.is_none()) {
    return make_list(split_words(host, text, most));
  }
  const std::string& between = need_text(host, separator, "split").text();
  if (between.empty()) host.error("split at an empty separator");
  Values out;
  size_t begin = 0;
  for (size_t i = find_text(text.text(), between);
       i != std::string::npos && static_cast<int64_t>(out.size()) != most;
       i = find_text(text.text(), between, begin)) {
    host.charge_items(4);
    out.push_back(text.substr(begin, i));
    begin = i + between.size();
  }
  out.push_back(text.substr(begin, text.size()));
  return make_list(std::move(out));
}

Value rsplit(Host& host, const Value& self, const Arguments& args) {
  const Value limit = args.get(1, "maxsplit");
  const Value separator = args.get(0, "sep");
  if (limit.is_undefined() || need_int(host, limit, "rsplit") < 0) return split(host, self, args);
  if (separator.str() == nullptr || separator.str()->size() == 0) {
    host.unsupported("rsplit with a limit and without a separator");
  }
  const Str& text = *self.str();
  host.charge_bytes(text.size());
  const std::string& between = separator.str()->text();
  const std::string back(text.text().rbegin(), text.text().rend());
  const std::string wanted(between.rbegin(), between.rend());
  Values out;
  size_t end = text.size();
  for (int64_t left = limit.as_int(); left > 0; --left) {
    const size_t i = find_text(back, wanted, text.size() - end);
    if (i == std::string::npos) break;
    host.charge_items(4);
    out.push_back(text.substr(text.size() - i, end));
    end = text.size() - i - between.size();
  }
  out.push_back(text.substr(0, end));
  std::reverse(out.begin(), out.end());
  return make_list(std::move(out));
}

Value splitlines(Host& host, const Value& self, const Arguments& args) {
  const Str& text = *self.str();
  host.charge_bytes(text.size());
  const bool keep_ends = args.get(0, "keepends").truthy();
  Values out;
  for (size_t begin = 0; begin < text.size();) {
    host.charge_items(4);
    const size_t end = std::min(text.text().find_first_of("\r\n", begin), text.size());
    const bool both = text.text().compare(end, 2, "\r\n") == 0;
    const size_t next = std::min(end + (both ? 2 : 1), text.size());
    out.push_back(text.substr(begin, keep_ends ? next : end));
    begin = next;
  }
  return make_list(std::move(out));
}

Value has_end(Host& host, const Value& self, const Arguments& args, bool front) {
  const std::string& text = self.str()->text();
  const Value what = args.get(0, "");
  const Values options = what.list() != nullptr ? what.list()->items : Values{what};
  for (const Value& option : options) {
    const std::string& part = need_text(host, option, "startswith and endswith").text();
    if (front ? text.starts_with(part) : text.ends_with(part)) return true;
  }
  return false;
}

Value find(Host& host, const Value& self, const Arguments& args, bool last) {
  const std::string& text = self.str()->text();
  host.charge_bytes(text.size());
  const std::string& part = text_argument(host, args, 0, "find").text();
  const size_t at = last ? rfind_text(text, part) : find_text(text, part);
  if (at == std::string::npos) return int64_t{-1};
  return static_cast<int64_t>(count_chars(self.str()->substr(0, at)));
}

Value count(Host& host, const Value& self, const Arguments& args) {
  const std::string& text = self.str()->text();
  host.charge_bytes(text.size());
  const std::string& part = text_argument(host, args, 0, "count").text();
  if (part.empty()) return static_cast<int64_t>(count_chars(*self.str()) + 1);
  int64_t n = 0;
  for (size_t i = find_text(text, part); i != std::string::npos;
       i = find_text(text, part, i + part.size()))
    ++n;
  return n;
}

Value join_method(Host& host, const Value& self, const Arguments& args) {
  Str out;
  bool first = true;
  for (const Value& item : members(host, args.get(0, ""), "join")) {
    if (!first) out.append(*self.str());
    first = false;
    out.append(need_text(host, item, "join"));
    if (out.size() > kMaxPrinted) host.error("a joined text is too long");
    host.charge_bytes(out.size() / 64);
  }
  host.charge_bytes(out.size());
  return out;
}

Value replace(Host& host, const Value& self, const Arguments& args) {
  const Value limit = args.get(2, "count");
  return replace_text(host, *self.str(), text_argument(host, args, 0, "replace").text(),
                      text_argument(host, args, 1, "replace"),
                      limit.is_undefined() ? -1 : need_int(host, limit, "replace"));
}

Value remove_end(Host& host, const Value& self, const Arguments& args, bool front) {
  const Str& text = *self.str();
  const std::string& part = text_argument(host, args, 0, "removeprefix and removesuffix").text();
  if (front && text.text().starts_with(part)) return text.substr(part.size(), text.size());
  if (!front && text.text().ends_with(part)) return text.substr(0, text.size() - part.size());
  return self;
}

Value all_chars(Host& host, const Value& self, bool (*check)(char32_t)) {
  const std::string& text = self.str()->text();
  host.charge_bytes(text.size());
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    if (!check(c.code)) return false;
    i += c.length;
  }
  return !text.empty();
}

Value change_case(Host& host, const Value& self, CaseChange change) {
  host.charge_bytes(self.str()->size() * 4);
  return change_case(*self.str(), change);
}

// The part before a separator, it, and the part behind it.
Value partition(Host& host, const Value& self, const Arguments& args, bool last) {
  const Str& text = *self.str();
  host.charge_bytes(text.size() * 2);
  const Str& between = text_argument(host, args, 0, "partition");
  if (between.size() == 0) host.error("partition at an empty separator");
  const size_t at =
      last ? rfind_text(text.text(), between.text()) : find_text(text.text(), between.text());
  if (at == std::string::npos) {
    return last ? make_list({Str(), Str(), self}, true) : make_list({self, Str(), Str()}, true);
  }
  const size_t end = at + between.size();
  return make_list({text.substr(0, at), text.substr(at, end), text.substr(end, text.size())}, true);
}

// Python's ljust, rjust, center and zfill.
Value pad(Host& host, const Value& self, const Arguments& args, char side) {
  const Str& text = *self.str();
  const int64_t width = need_int(host, args.get(0, ""), "padding");
  const Value with = args.get(1, "");
  const Str fill = side == '0'           ? Str("0")
                   : with.is_undefined() ? Str(" ")
                                         : need_text(host, with, "padding");
  const auto size = static_cast<int64_t>(count_chars(text));
  if (count_chars(fill) != 1) host.error("padding needs one character");
  if (width > (1 << 20)) host.error("a padded text is too long");
  const int64_t count = std::max<int64_t>(width - size, 0);
  host.charge_bytes(text.size() + static_cast<size_t>(count) * fill.size());
  const int64_t left = side == '<' ? 0 : side == '^' ? count / 2 + (count & width & 1) : count;
  const bool sign =
      side == '0' && text.size() > 0 && (text.text()[0] == '-' || text.text()[0] == '+');
  Str out = text.substr(0, sign ? 1 : 0);
  for (int64_t i = 0; i < left; ++i) out.append(fill);
  out.append(text.substr(sign ? 1 : 0, text.size()));
  for (int64_t i = left; i < count; ++i) out.append(fill);
  return out;
}

Value index_of(Host& host, const Value& self, const Arguments& args, bool last) {
  Value at = find(host, self, args, last);
  if (at.as_int() < 0) host.error("index: the text does not occur");
  return at;
}

Value swap_case(Host& host, const Value& self, const Arguments&) {
  const Str& text = *self.str();
  host.charge_bytes(text.size() * 8);
  Str out;
  for (size_t i = 0; i < text.size();) {
    const size_t end = i + decode_utf8(text.text(), i).length;
    const Str letter = text.substr(i, end);
    const Str lower = change_case(letter, CaseChange::kLower);
    out.append(lower.text() == letter.text() ? change_case(letter, CaseChange::kUpper) : lower);
    i = end;
  }
  return out;
}

using A = const Arguments&;
using V = const Value&;

bool is_cased(Host& h, V s, std::string_view test) { return find_test(test)->apply(h, s, {}); }

constexpr MethodDef kTextMethods[] = {
    {"capitalize", [](Host& h, V s, A) { return change_case(h, s, CaseChange::kCapitalize); }},
    {"casefold", [](Host& h, V s, A) { return change_case(h, s, CaseChange::kLower); }},
    {"center", [](Host& h, V s, A a) { return pad(h, s, a, '^'); }},
    {"count", count},
    {"endswith", [](Host& h, V s, A a) { return has_end(h, s, a, false); }},
    {"find", [](Host& h, V s, A a) { return find(h, s, a, false); }},
    {"format", [](Host& h, V s, A a) -> Value { return format_braces(h, *s.str(), a); }},
    {"index", [](Host& h, V s, A a) { return index_of(h, s, a, false); }},
    {"isalnum",
     [](Host& h, V s, A) {
       return all_chars(h, s,
                        [](char32_t c) { return is_unicode_letter(c) || is_unicode_number(c); });
     }},
    {"isalpha", [](Host& h, V s, A) { return all_chars(h, s, is_unicode_letter); }},
    {"isdigit", [](Host& h, V s,
                   A) { return all_chars(h, s, [](char32_t c) { return c >= '0' && c <= '9'; }); }},
    {"islower", [](Host& h, V s, A) -> Value { return is_cased(h, s, "lower"); }},
    {"isnumeric", [](Host& h, V s, A) { return all_chars(h, s, is_unicode_number); }},
    {"isspace", [](Host& h, V s, A) { return all_chars(h, s, is_unicode_space); }},
    {"isupper", [](Host& h, V s, A) -> Value { return is_cased(h, s, "upper"); }},
    {"join", join_method},
    {"ljust", [](Host& h, V s, A a) { return pad(h, s, a, '<'); }},
    {"lower", [](Host& h, V s, A) { return change_case(h, s, CaseChange::kLower); }},
    {"lstrip", [](Host& h, V s, A a) { return strip(h, s, a, 1); }},
    {"partition", [](Host& h, V s, A a) { return partition(h, s, a, false); }},
    {"removeprefix", [](Host& h, V s, A a) { return remove_end(h, s, a, true); }},
    {"removesuffix", [](Host& h, V s, A a) { return remove_end(h, s, a, false); }},
    {"replace", replace},
    {"rfind", [](Host& h, V s, A a) { return find(h, s, a, true); }},
    {"rindex", [](Host& h, V s, A a) { return index_of(h, s, a, true); }},
    {"rjust", [](Host& h, V s, A a) { return pad(h, s, a, '>'); }},
    {"rpartition", [](Host& h, V s, A a) { return partition(h, s, a, true); }},
    {"rsplit", rsplit},
    {"rstrip", [](Host& h, V s, A a) { return strip(h, s, a, 2); }},
    {"split", split},
    {"splitlines", splitlines},
    {"startswith", [](Host& h, V s, A a) { return has_end(h, s, a, true); }},
    {"strip", [](Host& h, V s, A a) { return strip(h, s, a, 3); }},
    {"swapcase", swap_case},
    {"title", [](Host& h, V s, A) { return change_case(h, s, CaseChange::kTitle); }},
    {"upper", [](Host& h, V s, A) { return change_case(h, s, CaseChange::kUpper); }},
    {"zfill", [](Host& h, V s, A a) { return pad(h, s, a, '0'); }},
};

Value dict_get(Host& host, const Value& self, const Arguments& args) {
  host.charge_items(self.dict()->items.size() / 16);
  if (const Value* found = self.dict()->find(args.get(0, "key"))) return *found;
  return args.positional.size() > 1 || !args.keywords.empty() ? args.get(1, "default")
                                                              : Value(None{});
}

Value dict_values(Host& host, const Value& self, const Arguments&) {
  host.charge_items(self.dict()->items.size());
  Values out;
  for (const auto& item : self.dict()->items) out.push_back(item.second);
  return make_list(std::move(out));
}

constexpr MethodDef kDictMethods[] = {
    {"copy", [](Host&, V s, A) { return s; }},
    {"get", dict_get},
    {"items", [](Host& h, V s, A) { return items_of(h, s); }},
    {"keys", [](Host& h, V s, A) { return make_list(members(h, s, "keys")); }},
    {"values", dict_values},
};

Value list_index(Host& host, const Value& self, const Arguments& args) {
  const Values items = members(host, self, "index");
  const Value wanted = args.get(0, "");
  for (size_t i = 0; i < items.size(); ++i) {
    if (equal(host, items[i], wanted)) return static_cast<int64_t>(i);
  }
  host.error("index: the value is not in the list");
}

Value list_count(Host& host, const Value& self, const Arguments& args) {
  const Values items = members(host, self, "count");
  const Value wanted = args.get(0, "");
  return static_cast<int64_t>(std::count_if(
      items.begin(), items.end(), [&](const Value& v) { return equal(host, v, wanted); }));
}

Value immutable(Host& host, const Value&, const Arguments&) {
  host.error("a list cannot be changed in a template");
}

constexpr MethodDef kListMethods[] = {
    {"append", immutable}, {"copy", [](Host&, V s, A) { return s; }},
    {"count", list_count}, {"extend", immutable},
    {"index", list_index}, {"insert", immutable},
    {"pop", immutable},
};

constexpr MethodDef kLoopMethods[] = {
    {"changed",
     [](Host& h, V s, A a) -> Value {
       const std::string now = to_repr(make_list(a.positional)).text() + ' ';
       h.charge_bytes(now.size());
       return now != std::exchange(*s.loop()->last, now);
     }},
    {"cycle",
     [](Host& h, V s, A a) {
       if (a.positional.empty()) h.error("cycle without values");
       return a.positional[static_cast<size_t>(s.loop()->index0) % a.positional.size()];
     }},
};

const MethodDef* find_method(const Value& self, std::string_view name) {
  const auto search = [&](const auto& table) -> const MethodDef* {
    const auto it = std::find_if(std::begin(table), std::end(table),
                                 [&](const MethodDef& m) { return m.name == name; });
    return it == std::end(table) ? nullptr : it;
  };
  if (self.str() != nullptr) return search(kTextMethods);
  if (self.dict() != nullptr) return search(kDictMethods);
  if (self.list() != nullptr) return search(kListMethods);
  if (self.loop() != nullptr) return search(kLoopMethods);
  return nullptr;
}

Value range(Host& host, const Value&, const Arguments& args) {
  int64_t bounds[3] = {0, 0, 1};
  const size_t n = args.positional.size();
  if (n < 1 || n > 3) host.error("range takes 1 to 3 integers");
  for (size_t i = 0; i < n; ++i) bounds[i] = need_int(host, args.positional[i], "range");
  if (n == 1) std::swap(bounds[0], bounds[1]);
  const auto [start, stop, step] = bounds;
  constexpr int64_t kFar = int64_t{1} << 40;
  if (step == 0 || std::max({std::abs(start / 2), std::abs(stop / 2), std::abs(step / 2)}) > kFar) {
    host.error("range: a bound or the step is out of range");
  }
  const int64_t span = step > 0 ? stop - start : start - stop;
  const int64_t items = span <= 0 ? 0 : (span - 1) / std::abs(step) + 1;
  host.charge_items(static_cast<size_t>(items) * 4);
  Values out;
  for (int64_t i = 0; i < items; ++i) out.push_back(start + i * step);
  return make_range(std::move(out), {start, stop, step});
}

Value raise_exception(Host& host, const Value&, const Arguments& args) {
  constexpr size_t kMost = 1000;
  const Str reason = to_str(args.get(0, ""));
  const std::string_view text = reason.text();
  host.error(fmt::format("the template refused the input: {}{}", text.substr(0, kMost),
                         text.size() > kMost ? " ..." : ""));
}

Value strftime_now(Host& host, const Value&, const Arguments& args) {
  const Str& stated = text_argument(host, args, 0, "strftime_now");
  const std::string& format = stated.text();
  if (format.size() > 256) host.error("strftime_now: the format is too long");
  const time_t now = static_cast<time_t>(host.now_unix_s());
  std::tm parts{};
  gmtime_r(&now, &parts);
  char buffer[4096];
  const size_t length = std::strftime(buffer, sizeof buffer, format.c_str(), &parts);
  return Str({buffer, length}, stated.any_tainted());
}

Value make_namespace(Host& host, const Value&, const Arguments& args) {
  auto ns = std::make_shared<Namespace>();
  if (!args.positional.empty()) {
    const Dict* from = args.positional[0].dict();
    if (from == nullptr) host.error("namespace takes a dictionary and named values");
    for (const auto& [k, v] : from->items) ns->items.emplace_back(to_str(k).text(), v);
  }
  for (const auto& [name, value] : args.keywords) {
    if (Value* old = ns->find(name)) {
      *old = value;
    } else {
      ns->items.emplace_back(name, value);
    }
  }
  host.own(ns);
  return ns;
}

Value dict_function(Host& host, const Value&, const Arguments& args) {
  Pairs items;
  if (!args.positional.empty()) {
    const Dict* from = args.positional[0].dict();
    if (from == nullptr) host.error("dict takes a dictionary and named values");
    items = from->items;
  }
  for (const auto& [name, value] : args.keywords) {
    const auto same = std::find_if(items.begin(), items.end(), [&](const auto& item) {
      return item.first.str() != nullptr && item.first.str()->text() == name;
    });
    if (same != items.end()) {
      same->second = value;
    } else {
      items.emplace_back(make_text(name), value);
    }
  }
  return make_dict(std::move(items));
}

constexpr MethodDef kFunctions[] = {
    {"dict", dict_function}, {"namespace", make_namespace},  {"raise_exception", raise_exception},
    {"range", range},        {"strftime_now", strftime_now},
};

const MethodDef* find_function(std::string_view name) {
  const auto it = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                               [&](const MethodDef& m) { return m.name == name; });
  return it == std::end(kFunctions) ? nullptr : it;
}

}  // namespace

bool has_method(const Value& self, std::string_view name) {
  return find_method(self, name) != nullptr;
}

Value call_method(Host& host, const Value& self, std::string_view name, const Arguments& args) {
  const MethodDef* method = find_method(self, name);
  if (method == nullptr) host.unsupported(fmt::format("method '{}'", name));
  return method->apply(host, self, args);
}

bool has_function(std::string_view name) { return find_function(name) != nullptr; }

Value call_function(Host& host, std::string_view name, const Arguments& args) {
  const MethodDef* function = find_function(name);
  if (function == nullptr) host.unsupported(fmt::format("function '{}'", name));
  return function->apply(host, Value(), args);
}

}  // namespace ingot::jinja
