// Values as text: Python's str() and repr(), and JSON as json.dumps writes it.
#include <algorithm>
#include <cmath>

#include "text/jinja/value.h"
#include "text/utf8.h"

namespace ingot::jinja {
namespace {

std::string float_text(double d, bool json) {
  if (std::isnan(d)) return json ? "NaN" : "nan";
  if (std::isinf(d)) return std::string(d < 0 ? "-" : "") + (json ? "Infinity" : "inf");
  std::string out = fmt::format("{}", d);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

void check_printed(const Str& out) {
  if (out.size() > kMaxPrinted) {
    throw ValueError{fmt::format("a text of more than {} bytes is too long", kMaxPrinted)};
  }
}

void append_escaped(Str& out, const Str& s, bool json, bool ascii, char quote) {
  for (size_t i = 0; i < s.size();) {
    const Utf8Char c = decode_utf8(s.text(), i);
    const bool tainted = s.tainted(i);
    const auto put = [&](std::string_view text) { out.append(text, tainted); };
    if (c.code == static_cast<char32_t>(quote) || c.code == '\\') {
      put(std::string{'\\', static_cast<char>(c.code)});
    } else if (c.code == '\n') {
      put("\\n");
    } else if (c.code == '\r') {
      put("\\r");
    } else if (c.code == '\t') {
      put("\\t");
    } else if (json && c.code == '\b') {
      put("\\b");
    } else if (json && c.code == '\f') {
      put("\\f");
    } else if (c.code < 0x20 || (!json && c.code == 0x7F)) {
      put(json ? fmt::format("\\u{:04x}", static_cast<uint32_t>(c.code))
               : fmt::format("\\x{:02x}", static_cast<uint32_t>(c.code)));
    } else if (ascii && c.code >= 0x10000) {
      const uint32_t v = c.code - 0x10000;
      put(fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (v >> 10), 0xDC00 + (v & 0x3FF)));
    } else if (ascii && c.code >= 0x80) {
      put(fmt::format("\\u{:04x}", static_cast<uint32_t>(c.code)));
    } else {
      put(std::string_view(s.text()).substr(i, c.length));
    }
    i += c.length;
  }
}

void append_repr(Str& out, const Value& value) {
  check_printed(out);
  if (const Str* s = value.str()) {
    // Python prefers single quotes, and double ones where that saves escapes.
    const bool has_single = s->text().find('\'') != std::string::npos;
    const bool has_double = s->text().find('"') != std::string::npos;
    const char quote = has_single && !has_double ? '"' : '\'';
    out.append(std::string_view(&quote, 1), false);
    append_escaped(out, *s, false, false, quote);
    out.append(std::string_view(&quote, 1), false);
  } else if (value.range()) {
    const auto [start, stop, step] = *value.list()->range;
    out.append(step == 1 ? fmt::format("range({}, {})", start, stop)
                         : fmt::format("range({}, {}, {})", start, stop, step),
               false);
  } else if (const List* list = value.list()) {
    out.append(list->tuple ? "(" : "[", false);
    for (size_t i = 0; i < list->items.size(); ++i) {
      if (i > 0) out.append(", ", false);
      append_repr(out, list->items[i]);
    }
    if (list->tuple && list->items.size() == 1) out.append(",", false);
    out.append(list->tuple ? ")" : "]", false);
  } else if (const Dict* dict = value.dict()) {
    out.append("{", false);
    for (size_t i = 0; i < dict->items.size(); ++i) {
      if (i > 0) out.append(", ", false);
      append_repr(out, dict->items[i].first);
      out.append(": ", false);
      append_repr(out, dict->items[i].second);
    }
    out.append("}", false);
  } else if (value.generator() != nullptr) {
    throw ValueError{"a generator cannot be printed: 'list' or 'join' take its items"};
  } else if (value.is_undefined()) {
    out.append("Undefined", false);
  } else {
    out.append(to_str(value));
  }
}

class JsonPrinter {
 public:
  explicit JsonPrinter(const JsonStyle& style) : style_(style) {
    separator_ = !style.item_separator.empty() ? style.item_separator
                                               : std::string(style.indent < 0 ? ", " : ",");
  }

  void print(Str& out, const Value& value, int level) {
    check_printed(out);
    if (const Str* s = value.str()) {
      print_string(out, *s);
    } else if (const List* list = value.list(); list != nullptr && !value.range()) {
      print_items(out, '[', ']', list->items.size(), level,
                  [&](size_t i) { print(out, list->items[i], level + 1); });
    } else if (const Dict* dict = value.dict()) {
      std::vector<const std::pair<Value, Value>*> items;
      for (const auto& item : dict->items) items.push_back(&item);
      if (style_.sort_keys) {
        std::stable_sort(items.begin(), items.end(), [](const auto* a, const auto* b) {
          return to_str(a->first).text() < to_str(b->first).text();
        });
      }
      print_items(out, '{', '}', items.size(), level, [&](size_t i) {
        print_string(out, key_text(items[i]->first));
        out.append(style_.key_separator, false);
        print(out, items[i]->second, level + 1);
      });
    } else {
      print_scalar(out, value);
    }
  }

 private:
  void print_string(Str& out, const Str& s) {
    out.append("\"", false);
    append_escaped(out, s, true, style_.ascii, '"');
    out.append("\"", false);
  }
  static Str key_text(const Value& key) {
    if (key.str() != nullptr) return *key.str();
    Str out;
    print_scalar(out, key);
    return out;
  }
  static void print_scalar(Str& out, const Value& value) {
    if (value.is_none()) {
      out.append("null", false);
    } else if (value.is_bool()) {
      out.append(value.as_int() != 0 ? "true" : "false", false);
    } else if (value.is_int()) {
      out.append(std::to_string(value.as_int()), false);
    } else if (value.is_float()) {
      out.append(float_text(value.as_double(), true), false);
    } else {
      throw ValueError{fmt::format("a value of type {} has no JSON form", value.type_name())};
    }
  }
  void new_line(Str& out, int level) {
    if (style_.indent < 0) return;
    out.append("\n" + std::string(static_cast<size_t>(style_.indent * level), ' '), false);
  }
  template <typename Each>
  void print_items(Str& out, char open, char close, size_t count, int level, Each each) {
    out.append(std::string_view(&open, 1), false);
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) out.append(separator_, false);
      new_line(out, level + 1);
      each(i);
    }
    if (count > 0) new_line(out, level);
    out.append(std::string_view(&close, 1), false);
  }

  const JsonStyle& style_;
  std::string separator_;
};

}  // namespace

Str to_str(const Value& value) {
  if (value.str() != nullptr) return *value.str();
  if (value.is_undefined()) return Str();
  if (value.is_none()) return Str("None");
  if (value.is_bool()) return Str(value.as_int() != 0 ? "True" : "False");
  if (value.is_int()) return Str(std::to_string(value.as_int()));
  if (value.is_float()) return Str(float_text(value.as_double(), false));
  if (value.list() != nullptr || value.dict() != nullptr) return to_repr(value);
  throw ValueError{fmt::format("a {} cannot be printed", value.type_name())};
}

Str to_repr(const Value& value) {
  Str out;
  append_repr(out, value);
  return out;
}

Str to_json(const Value& value, const JsonStyle& style) {
  Str out;
  JsonPrinter(style).print(out, value, 0);
  return out;
}

}  // namespace ingot::jinja
