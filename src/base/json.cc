#include "base/json.h"

#include <algorithm>
#include <vector>

#include "base/refusal.h"

namespace ingot {
namespace {

constexpr int kMaxDepth = 128;
// The ordered object compares a new key with all it has, so parsing is quadratic in the keys of an
// object: this many comparisons take about a second and allow one object of 22,000 keys.
constexpr uint64_t kMaxComparisons = 250'000'000;

template <typename T>
bool read_value(const Json& value, T& out);

template <>
bool read_value(const Json& value, bool& out) {
  if (!value.is_boolean()) return false;
  out = value.get<bool>();
  return true;
}
template <>
bool read_value(const Json& value, int64_t& out) {
  if (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) return false;
  if (value.is_number_integer()) {
    out = value.get<int64_t>();
    return true;
  }
  return false;
}
template <>
bool read_value(const Json& value, double& out) {
  if (!value.is_number()) return false;
  out = value.get<double>();
  return true;
}
template <>
bool read_value(const Json& value, std::string& out) {
  if (!value.is_string()) return false;
  out = value.get<std::string>();
  return true;
}
template <typename T>
bool read_value(const Json& value, std::vector<T>& out) {
  if (!value.is_array()) return false;
  for (const Json& item : value) {
    T element;
    if (!read_value(item, element)) return false;
    out.push_back(element);
  }
  return true;
}

template <typename T>
constexpr std::string_view kTypeName;
template <>
constexpr std::string_view kTypeName<std::vector<int64_t>> = "a list of integers";
template <>
constexpr std::string_view kTypeName<std::vector<double>> = "a list of numbers";
template <>
constexpr std::string_view kTypeName<std::vector<std::string>> = "a list of strings";
template <>
constexpr std::string_view kTypeName<bool> = "a boolean";
template <>
constexpr std::string_view kTypeName<int64_t> = "an integer";
template <>
constexpr std::string_view kTypeName<double> = "a number";
template <>
constexpr std::string_view kTypeName<std::string> = "a string";

// What is there in place of a T; of a list that holds something else, that.
template <typename T>
std::string found_text(const Json& value, const T&) {
  return value.type_name();
}
template <typename T>
std::string found_text(const Json& value, const std::vector<T>&) {
  if (!value.is_array()) return value.type_name();
  const auto wrong = std::find_if(value.begin(), value.end(), [](const Json& item) {
    T element;
    return !read_value(item, element);
  });
  return fmt::format("a list that holds {}", found_text(*wrong, T()));
}

// Sees a text before anything of it is kept: depth, and what looking for doubled keys will cost.
// A callback of the parser that keeps values would look at every list anew for each of its members.
class Guard final : public Json::json_sax_t {
 public:
  Guard(std::string_view where, std::string_view file) : where_(where), file_(file) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(int64_t) override { return true; }
  bool number_unsigned(uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(Json::binary_t&) override { return true; }
  bool start_object(size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(std::string&) override {
    comparisons_ += keys_.back()++;
    if (comparisons_ > kMaxComparisons) {
      fail(ErrorCode::kCorrupt, where_, "{}: too many keys in one object", file_);
    }
    return true;
  }
  // The parser that keeps values says what is wrong.
  bool parse_error(size_t, const std::string&, const Json::exception&) override { return false; }

 private:
  bool open() {
    if (keys_.size() > static_cast<size_t>(kMaxDepth)) {
      fail(ErrorCode::kCorrupt, where_, "{}: JSON is nested deeper than {}", file_, kMaxDepth);
    }
    keys_.push_back(0);
    return true;
  }
  bool close() {
    keys_.pop_back();
    return true;
  }

  std::string_view where_, file_;
  std::vector<uint64_t> keys_;  // of the open objects and lists
  uint64_t comparisons_ = 0;
};

}  // namespace

Json parse_json(std::string_view text, std::string_view where, std::string_view file) {
  Guard guard(where, file);
  Json::sax_parse(text.begin(), text.end(), &guard);
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::parse_error& e) {
    fail(ErrorCode::kCorrupt, where, "{}: byte {}: not valid JSON ({})", file, e.byte,
         text.empty() ? "the file is empty" : "syntax error");
  } catch (const Json::exception& e) {
    fail(ErrorCode::kCorrupt, where, "{}: not valid JSON (a number or string out of range)", file);
  }
}

template <typename T>
T json_require(const Json& object, std::string_view key, std::string_view where,
               std::string_view file) {
  if (!object.is_object()) {
    fail(ErrorCode::kCorrupt, where, "{}: expected an object holding '{}', found {}", file, key,
         object.type_name());
  }
  const auto it = object.find(std::string(key));
  T out{};
  if (it != object.end() && read_value(*it, out)) return out;
  refuse(ErrorCode::kCorrupt, where,
         {"config", std::string(file), std::string(key), std::string(kTypeName<T>),
          it == object.end() ? "" : found_text(*it, T())});
}

template bool json_require<bool>(const Json&, std::string_view, std::string_view, std::string_view);
template int64_t json_require<int64_t>(const Json&, std::string_view, std::string_view,
                                       std::string_view);
template double json_require<double>(const Json&, std::string_view, std::string_view,
                                     std::string_view);
template std::string json_require<std::string>(const Json&, std::string_view, std::string_view,
                                               std::string_view);
template std::vector<int64_t> json_require<std::vector<int64_t>>(const Json&, std::string_view,
                                                                 std::string_view,
                                                                 std::string_view);
template std::vector<double> json_require<std::vector<double>>(const Json&, std::string_view,
                                                               std::string_view, std::string_view);
template std::vector<std::string> json_require<std::vector<std::string>>(const Json&,
                                                                         std::string_view,
                                                                         std::string_view,
                                                                         std::string_view);

}  // namespace ingot
