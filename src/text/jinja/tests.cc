// Tests ("x is y").
#include <algorithm>
#include <cmath>

#include "text/jinja/library.h"
#include "text/utf8.h"

namespace ingot::jinja {
namespace {

using A = const Arguments&;
using V = const Value&;

bool same_object(Host& host, V a, V b) {
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  return a.is_bool() == b.is_bool() && a.type_name() == b.type_name() && equal(host, a, b);
}

bool cased_alike(Host& host, V v, CaseChange change) {
  const Str text = to_str(v);
  host.charge_bytes(text.size() * 4);
  bool any = false;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text.text(), i);
    any = any || is_unicode_letter(c.code);
    i += c.length;
  }
  return any && change_case(text, change).text() == text.text();
}

bool iterable(V v) {
  return v.str() != nullptr || v.list() != nullptr || v.dict() != nullptr ||
         v.generator() != nullptr || v.is_undefined();
}

// Without the sign that Python gives it.
double remainder(Host& h, V v, V by, std::string_view who) {
  for (V each : {v, by}) {
    if (!each.is_number()) h.error(fmt::format("{} needs a number", who));
  }
  if (by.as_double() == 0) h.error("division by zero");
  if (v.is_float() || by.is_float()) return std::fmod(v.as_double(), by.as_double());
  return by.as_int() == -1 ? 0 : static_cast<double>(v.as_int() % by.as_int());
}

bool divides(Host& h, V v, A a) { return remainder(h, v, a.get(0, "num"), "divisibleby") == 0; }

constexpr TestDef kTests[] = {
    {"!=", [](Host& h, V v, A a) { return !equal(h, v, a.get(0, "other")); }},
    {"<", [](Host& h, V v, A a) { return compare(h, v, a.get(0, "other")) < 0; }},
    {"<=", [](Host& h, V v, A a) { return compare(h, v, a.get(0, "other")) <= 0; }},
    {"==", [](Host& h, V v, A a) { return equal(h, v, a.get(0, "other")); }},
    {">", [](Host& h, V v, A a) { return compare(h, v, a.get(0, "other")) > 0; }},
    {">=", [](Host& h, V v, A a) { return compare(h, v, a.get(0, "other")) >= 0; }},
    {"boolean", [](Host&, V v, A) { return v.is_bool(); }},
    {"callable", [](Host&, V v, A) { return v.callable() != nullptr; }},
    {"defined", [](Host&, V v, A) { return !v.is_undefined(); }},
    {"divisibleby", divides},
    {"eq", [](Host& h, V v, A a) { return equal(h, v, a.get(0, "other")); }},
    {"equalto", [](Host& h, V v, A a) { return equal(h, v, a.get(0, "other")); }},
    {"even", [](Host& h, V v, A) { return remainder(h, v, int64_t{2}, "even") == 0; }},
    {"false", [](Host&, V v, A) { return v.is_bool() && !v.truthy(); }},
    {"filter",
     [](Host& h, V v, A) { return find_filter(need_text(h, v, "filter").text()) != nullptr; }},
    {"float", [](Host&, V v, A) { return v.is_float(); }},
    {"ge", [](Host& h, V v, A a) { return compare(h, v, a.get(0, "other")) >= 0; }},
    {"escaped", [](Host&, V v, A) { return v.str() != nullptr && v.str()->markup(); }},
    {"greaterthan", [](Host& h, V v, A a) { return compare(h, v, a.get(0, "other")) > 0; }},
    {"gt", [](Host& h, V v, A a) { return compare(h, v, a.get(0, "other")) > 0; }},
    {"in", [](Host& h, V v, A a) { return contains(h, a.get(0, "seq"), v); }},
    {"integer", [](Host&, V v, A) { return v.is_int(); }},
    {"iterable", [](Host&, V v, A) { return iterable(v); }},
    {"le", [](Host& h, V v, A a) { return compare(h, v, a.get(0, "other")) <= 0; }},
    {"lessthan", [](Host& h, V v, A a) { return compare(h, v, a.get(0, "other")) < 0; }},
    {"lower", [](Host& h, V v, A) { return cased_alike(h, v, CaseChange::kLower); }},
    {"lt", [](Host& h, V v, A a) { return compare(h, v, a.get(0, "other")) < 0; }},
    {"mapping", [](Host&, V v, A) { return v.dict() != nullptr; }},
    {"ne", [](Host& h, V v, A a) { return !equal(h, v, a.get(0, "other")); }},
    {"none", [](Host&, V v, A) { return v.is_none(); }},
    {"number", [](Host&, V v, A) { return v.is_number(); }},
    {"odd", [](Host& h, V v, A) { return std::abs(remainder(h, v, int64_t{2}, "odd")) == 1; }},
    {"sameas", [](Host& h, V v, A a) { return same_object(h, v, a.get(0, "other")); }},
    {"sequence", [](Host&, V v, A) { return iterable(v) && v.generator() == nullptr; }},
    {"string", [](Host&, V v, A) { return v.str() != nullptr; }},
    {"test", [](Host& h, V v, A) { return find_test(need_text(h, v, "test").text()) != nullptr; }},
    {"true", [](Host&, V v, A) { return v.is_bool() && v.truthy(); }},
    {"undefined", [](Host&, V v, A) { return v.is_undefined(); }},
    {"upper", [](Host& h, V v, A) { return cased_alike(h, v, CaseChange::kUpper); }},
};

}  // namespace

const TestDef* find_test(std::string_view name) {
  const auto it = std::find_if(std::begin(kTests), std::end(kTests),
                               [&](const TestDef& t) { return t.name == name; });
  return it == std::end(kTests) ? nullptr : it;
}

}  // namespace ingot::jinja
