// Filters, tests, methods and global functions, and what they may ask of the interpreter. Internal.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/jinja/value.h"

namespace ingot::jinja {

struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> keywords;

  // By position, else by name; undefined when absent.
  Value get(size_t position, std::string_view name) const;
  bool has(size_t position, std::string_view name) const {
    return !get(position, name).is_undefined();
  }
  size_t size() const { return positional.size() + keywords.size(); }
};

// What runs a template. Everything throws Error with the place on failure.
class Host {
 public:
  virtual ~Host() = default;
  // Pays for work on `bytes` of text or `items` of a list; over the limit is an error.
  virtual void charge_bytes(size_t bytes) = 0;
  virtual void charge_items(size_t items) = 0;
  // "template: line 3"
  virtual std::string place() const = 0;
  virtual int64_t now_unix_s() const = 0;
  virtual void own(std::shared_ptr<Namespace> ns) = 0;  // cleared when the rendering ends

  [[noreturn]] void error(std::string_view reason) const {
    fail(ErrorCode::kInvalidArgument, "text/chat_template", "{}: {}", place(), reason);
  }
  [[noreturn]] void unsupported(std::string_view what) const {
    fail(ErrorCode::kUnsupported, "text/chat_template", "{}: {} is not supported", place(), what);
  }
};

struct FilterDef {
  std::string_view name;
  Value (*apply)(Host& host, const Value& input, const Arguments& args);
};
struct TestDef {
  std::string_view name;
  bool (*apply)(Host& host, const Value& input, const Arguments& args);
};

const FilterDef* find_filter(std::string_view name);  // null when unknown
const TestDef* find_test(std::string_view name);
// Methods of strings, dictionaries, lists and loops.
bool has_method(const Value& self, std::string_view name);
Value call_method(Host& host, const Value& self, std::string_view name, const Arguments& args);
bool has_function(std::string_view name);
Value call_function(Host& host, std::string_view name, const Arguments& args);

// Shared by the parts of the library.
// A text in small letters, by which filters compare; other values as they are.
Value lowered(Host& host, Value value);
const Str& need_text(Host& host, const Value& value, std::string_view who);
int64_t need_int(Host& host, const Value& value, std::string_view who);
// The members: items of a list, keys of a dictionary, characters of a string; nothing of undefined.
Values members(Host& host, const Value& value, std::string_view who);
Value items_of(Host& host, const Value& dict);                // pairs
Value attribute(const Value& object, std::string_view name);  // undefined when absent
Value subscript(Host& host, const Value& object, const Value& key);
Value slice(Host& host, const Value& object, const Value& start, const Value& stop,
            const Value& step);
bool contains(Host& host, const Value& container, const Value& member);
bool equal(Host& host, const Value& a, const Value& b);   // pays for what it looks at
int compare(Host& host, const Value& a, const Value& b);  // below 0, 0, above 0
// Places of `part`, as std::string::find and rfind, in time linear in the text whatever it is.
size_t find_text(const std::string& text, const std::string& part, size_t from = 0);
size_t rfind_text(const std::string& text, const std::string& part);
size_t count_chars(const Str& text);
Str escape_html(const Str& text);  // as markup
// kTitle is Python's: words begin behind what is no letter; kWords is the filter's: behind blanks,
// hyphens and opening brackets.
enum class CaseChange { kUpper, kLower, kTitle, kCapitalize, kWords };
Str change_case(const Str& text, CaseChange change);
// Sides: 1 left, 2 right, 3 both. Empty `chars`: white space.
Str strip_text(const Str& text, std::string_view chars, int sides);
Str replace_text(Host& host, const Str& text, const std::string& from, const Str& to, int64_t most);

}  // namespace ingot::jinja
