// Values of the template language. Immutable but for namespaces; copying shares. Internal to text/.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"

namespace ingot::jinja {

// A string whose every byte knows whether it came from outside the template. `taint` is empty
// (nothing did) or holds 0 or 1 for each byte of text. Text that the filters safe and escape made
// is markup: what is added to it with + is escaped for HTML, as in Jinja.
class Str {
 public:
  Str() = default;
  explicit Str(std::string text, bool tainted = false) : text_(std::move(text)) {
    if (tainted) taint_.assign(text_.size(), '\1');
  }
  const std::string& text() const { return text_; }
  size_t size() const { return text_.size(); }
  bool tainted(size_t byte) const { return !taint_.empty() && taint_[byte] != 0; }
  void append(const Str& other);
  void append(std::string_view text, bool tainted);
  Str substr(size_t begin, size_t end) const;  // bytes; begin <= end <= size()
  bool any_tainted() const { return taint_.find('\1') != std::string::npos; }
  bool markup() const { return markup_; }
  void set_markup(bool markup) { markup_ = markup; }

 private:
  bool markup_ = false;
  std::string text_;
  std::string taint_;
};

class Value;
struct Statement;
struct List;
struct Dict;
struct Namespace;
struct Loop;
struct Callable;

struct Undefined {
  std::string name;  // what was looked up, for messages
};
struct None {};

class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(Undefined u) : data_(std::move(u)) {}                         // NOLINT: values convert
  Value(None n) : data_(n) {}                                         // NOLINT
  Value(bool b) : data_(b) {}                                         // NOLINT
  Value(int64_t i) : data_(i) {}                                      // NOLINT
  Value(double d) : data_(d) {}                                       // NOLINT
  Value(Str s) : data_(std::make_shared<const Str>(std::move(s))) {}  // NOLINT
  Value(std::shared_ptr<const List> p) : data_(std::move(p)) {}       // NOLINT
  Value(std::shared_ptr<const Dict> p) : data_(std::move(p)) {}       // NOLINT
  Value(std::shared_ptr<Namespace> p) : data_(std::move(p)) {}        // NOLINT
  Value(std::shared_ptr<const Loop> p) : data_(std::move(p)) {}       // NOLINT
  Value(std::shared_ptr<const Callable> p) : data_(std::move(p)) {}   // NOLINT
  Value(const char*) = delete;                                        // would become a bool

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<int64_t>(data_); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  // Booleans count as the integers 0 and 1, as in Python.
  bool is_number() const { return is_bool() || is_int() || is_float(); }
  bool is_integral() const { return is_bool() || is_int(); }
  int64_t as_int() const { return is_bool() ? std::get<bool>(data_) : std::get<int64_t>(data_); }
  double as_double() const {
    return is_float() ? std::get<double>(data_) : static_cast<double>(as_int());
  }
  // Null when the value is of another type.
  const Str* str() const { return pointer<std::shared_ptr<const Str>>(); }
  const List* list() const;
  const List* generator() const;
  bool range() const;  // a list too, that only gives its items
  const Dict* dict() const { return pointer<std::shared_ptr<const Dict>>(); }
  Namespace* ns() const { return pointer<std::shared_ptr<Namespace>>(); }
  const Loop* loop() const { return pointer<std::shared_ptr<const Loop>>(); }
  const Callable* callable() const { return pointer<std::shared_ptr<const Callable>>(); }
  const std::string& undefined_name() const { return std::get<Undefined>(data_).name; }

  bool truthy() const;
  std::string_view type_name() const;
  // Lists, dictionaries and loops nest one deeper than what they hold; others have depth 0.
  int depth() const;

 private:
  template <typename P>
  auto pointer() const -> decltype(std::declval<P>().get()) {
    const P* p = std::get_if<P>(&data_);
    return p == nullptr ? nullptr : p->get();
  }
  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const Str>,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
               std::shared_ptr<const Loop>, std::shared_ptr<const Callable>>
      data_;
};

using Values = std::vector<Value>;
using Pairs = std::vector<std::pair<Value, Value>>;

struct RangeBounds {
  int64_t start = 0, stop = 0, step = 1;
};

struct List {
  Values items;
  bool tuple = false;
  std::optional<RangeBounds> range = {};  // of Python's range()
  int depth = 1;
  // What map, select and their like return: gives its items once, has no length and is always
  // true. The items are computed at once; an error waits for the one who asks for the items.
  bool generator = false;
  std::exception_ptr failure;
  mutable size_t taken = 0;
};
struct Dict {
  Pairs items;  // in order of insertion
  int depth = 1;
  const Value* find(std::string_view key) const;
  const Value* find(const Value& key) const;
};
struct Namespace {
  std::vector<std::pair<std::string, Value>> items;
  Value* find(std::string_view key);
};
struct Loop {
  int depth = 1;  // one more than its neighbours'
  int64_t index0 = 0;
  int64_t length = 0;
  int64_t level = 1;                            // of a recursive loop
  const Statement* recursive = nullptr;         // loop(items) runs it again
  std::shared_ptr<std::string> last = nullptr;  // what changed() was asked about last
  Value previous, next;
};

// A macro, a global function or a method bound to its object.
struct Callable {
  const Statement* macro = nullptr;
  std::string name;
  Value self;  // undefined unless a method
  // What a macro made inside a block, or a call block, saw around it.
  std::vector<std::pair<std::string_view, Value>> around;
  int depth = 1;
};

// What goes wrong with a value; the interpreter turns it into an Error with the place.
struct ValueError {
  std::string reason;
};

// Values may not nest deeper than this: destruction and printing recurse.
inline constexpr int kMaxValueDepth = 160;

Value make_text(std::string_view text, bool tainted = false);
// ValueError when nested too deep.
void check_depth(int depth);
Value make_list(Values items, bool tuple = false);
Value make_range(Values items, const RangeBounds& bounds);
Value make_generator(Values items, std::exception_ptr failure = nullptr);
Value make_dict(Pairs items);
Value from_json(const Json& json, bool tainted);

// Values that share their members can be far larger than the memory they take: `left` counts down
// what may still be looked at. ValueError when it is used up.
bool equal(const Value& a, const Value& b, int64_t& left);
// Of a dictionary's keys, which are small.
bool equal_keys(const Value& a, const Value& b);
// Texts made of values have this bound, for the same reason: ValueError beyond it.
inline constexpr size_t kMaxPrinted = size_t{4} << 20;
// Python's str(): strings as they are, containers with their members' repr().
Str to_str(const Value& value);
Str to_repr(const Value& value);
struct JsonStyle {
  int indent = -1;             // spaces a level; below 0: one line
  std::string item_separator;  // empty: ", ", or "," with an indent
  std::string key_separator = ": ";
  bool ascii = false;
  bool sort_keys = false;
};
Str to_json(const Value& value, const JsonStyle& style = {});

}  // namespace ingot::jinja
