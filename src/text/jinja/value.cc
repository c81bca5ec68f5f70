#include "text/jinja/value.h"

#include <algorithm>

#include "base/check.h"

namespace ingot::jinja {

void check_depth(int depth) {
  if (depth > kMaxValueDepth) {
    throw ValueError{fmt::format("values nest deeper than {}", kMaxValueDepth)};
  }
}

void Str::append(const Str& other) {
  if (taint_.empty() && other.taint_.empty()) {
    text_ += other.text_;
    return;
  }
  taint_.resize(text_.size(), '\0');
  text_ += other.text_;
  taint_ += other.taint_;
  taint_.resize(text_.size(), '\0');
}

void Str::append(std::string_view text, bool tainted) {
  if (tainted || !taint_.empty()) {
    taint_.resize(text_.size(), '\0');
    taint_.append(text.size(), tainted ? '\1' : '\0');
  }
  text_ += text;
}

Str Str::substr(size_t begin, size_t end) const {
  Str out;
  out.markup_ = markup_;
  out.text_ = text_.substr(begin, end - begin);
  if (!taint_.empty()) out.taint_ = taint_.substr(begin, end - begin);
  return out;
}

const List* Value::list() const {
  const List* p = pointer<std::shared_ptr<const List>>();
  return p != nullptr && !p->generator ? p : nullptr;
}

const List* Value::generator() const {
  const List* p = pointer<std::shared_ptr<const List>>();
  return p != nullptr && p->generator ? p : nullptr;
}

bool Value::range() const { return list() != nullptr && list()->range.has_value(); }

bool Value::truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_number()) return as_double() != 0;
  if (str() != nullptr) return str()->size() != 0;
  if (list() != nullptr) return !list()->items.empty();
  if (dict() != nullptr) return !dict()->items.empty();
  return true;
}

std::string_view Value::type_name() const {
  static constexpr std::string_view names[] = {"undefined", "none",   "boolean", "integer",
                                               "float",     "string", "list",    "dictionary",
                                               "namespace", "loop",   "function"};
  return generator() != nullptr ? "generator" : range() ? "range" : names[data_.index()];
}

int Value::depth() const {
  if (const List* p = pointer<std::shared_ptr<const List>>()) return p->depth;
  if (dict() != nullptr) return dict()->depth;
  if (loop() != nullptr) return loop()->depth;
  if (callable() != nullptr) return std::max(callable()->depth, 1 + callable()->self.depth());
  return 0;
}

const Value* Dict::find(std::string_view key) const {
  for (const auto& [k, v] : items) {
    if (k.str() != nullptr && k.str()->text() == key) return &v;
  }
  return nullptr;
}

const Value* Dict::find(const Value& key) const {
  if (key.str() != nullptr) return find(key.str()->text());
  for (const auto& [k, v] : items) {
    if (equal_keys(k, key)) return &v;
  }
  return nullptr;
}

Value* Namespace::find(std::string_view key) {
  for (auto& [k, v] : items) {
    if (k == key) return &v;
  }
  return nullptr;
}

Value make_text(std::string_view text, bool tainted) { return Str(std::string(text), tainted); }

namespace {
std::shared_ptr<List> list_of(Values items) {
  auto list = std::make_shared<List>();
  for (const Value& item : items) list->depth = std::max(list->depth, item.depth() + 1);
  check_depth(list->depth);
  list->items = std::move(items);
  return list;
}
}  // namespace

Value make_list(Values items, bool tuple) {
  auto list = list_of(std::move(items));
  list->tuple = tuple;
  return std::shared_ptr<const List>(std::move(list));
}

Value make_range(Values items, const RangeBounds& bounds) {
  auto list = list_of(std::move(items));
  list->range = bounds;
  return std::shared_ptr<const List>(std::move(list));
}

Value make_generator(Values items, std::exception_ptr failure) {
  auto list = list_of(std::move(items));
  list->generator = true;
  list->failure = std::move(failure);
  return std::shared_ptr<const List>(std::move(list));
}

Value make_dict(Pairs items) {
  auto dict = std::make_shared<Dict>();
  for (const auto& [k, v] : items) {
    dict->depth = std::max({dict->depth, k.depth() + 1, v.depth() + 1});
  }
  check_depth(dict->depth);
  dict->items = std::move(items);
  return std::shared_ptr<const Dict>(std::move(dict));
}

namespace {
Value from_json_at(const Json& json, bool tainted, int depth) {
  check_depth(depth);
  switch (json.type()) {
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > INT64_MAX) return json.get<double>();
      return json.get<int64_t>();
    case Json::value_t::number_integer:
      return json.get<int64_t>();
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      return make_text(json.get_ref<const std::string&>(), tainted);
    case Json::value_t::array: {
      Values items;
      for (const Json& item : json) items.push_back(from_json_at(item, tainted, depth + 1));
      return make_list(std::move(items));
    }
    case Json::value_t::object: {
      Pairs items;
      for (const auto& [key, item] : json.items()) {
        items.emplace_back(make_text(key, tainted), from_json_at(item, tainted, depth + 1));
      }
      return make_dict(std::move(items));
    }
    default:
      return None{};
  }
}
}  // namespace

Value from_json(const Json& json, bool tainted) { return from_json_at(json, tainted, 0); }

bool equal(const Value& a, const Value& b, int64_t& left) {
  constexpr size_t kBytesPerStep = 256;  // of a text that is compared
  const auto look = [&](size_t count) {
    left -= static_cast<int64_t>(count);
    if (left < 0) throw ValueError{"values are too large to compare"};
  };
  look(1);
  if (a.is_number() && b.is_number()) {
    if (a.is_float() || b.is_float()) return a.as_double() == b.as_double();
    return a.as_int() == b.as_int();
  }
  if (a.str() != nullptr && b.str() != nullptr) {
    if (a.str()->size() != b.str()->size()) return false;
    look(a.str()->size() / kBytesPerStep);
    return a.str()->text() == b.str()->text();
  }
  if (a.list() != nullptr && b.list() != nullptr) {
    const Values &x = a.list()->items, &y = b.list()->items;
    return a.list()->tuple == b.list()->tuple && a.range() == b.range() && x.size() == y.size() &&
           std::equal(x.begin(), x.end(), y.begin(),
                      [&](const Value& v, const Value& w) { return equal(v, w, left); });
  }
  if (a.dict() != nullptr && b.dict() != nullptr) {
    if (a.dict()->items.size() != b.dict()->items.size()) return false;
    return std::all_of(a.dict()->items.begin(), a.dict()->items.end(), [&](const auto& item) {
      look(b.dict()->items.size());
      const Value* other = b.dict()->find(item.first);
      return other != nullptr && equal(item.second, *other, left);
    });
  }
  if (a.ns() != nullptr) return a.ns() == b.ns();
  if (a.generator() != nullptr) return a.generator() == b.generator();
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

bool equal_keys(const Value& a, const Value& b) {
  int64_t left = int64_t{1} << 16;
  return equal(a, b, left);
}

}  // namespace ingot::jinja
