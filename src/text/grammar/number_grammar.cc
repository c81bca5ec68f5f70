#include "text/grammar/number_grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/check.h"
#include "base/error.h"
#include "text/grammar/work_budget.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
constexpr int kMaxDigits = 40;
constexpr int kPlaces = 6;        // of numbers between bounds
constexpr int kExactDigits = 15;  // decimals of as many digits are different doubles
constexpr int kMostDigits = 20;   // of whole numbers
constexpr int64_t kMaxMultiple = 2000;

// Magnitudes are whole numbers of units of 10^-places.
using Units = __int128;

constexpr int kUnitDigits = 36;

Units power_of_ten(int exponent) {
  Units value = 1;
  for (int i = 0; i < exponent; ++i) value *= 10;
  return value;
}

int digit_count(Units value) {
  int count = 1;
  for (; value >= 10; value /= 10) ++count;
  return count;
}

// The magnitude in units, rounded up or down.
Units units_of(const Decimal& d, int places, bool up) {
  if (static_cast<int>(d.digits.size()) - d.places + places > kUnitDigits) {
    fail(ErrorCode::kUnsupported, kWhere, "the bound {} is too large to be enforced", d.text());
  }
  Units value = 0;
  const int kept = static_cast<int>(d.digits.size()) - std::max(0, d.places - places);
  bool rest = false;
  for (int i = 0; i < static_cast<int>(d.digits.size()); ++i) {
    if (i < kept) {
      value = value * 10 + (d.digits[i] - '0');
    } else {
      rest = rest || d.digits[i] != '0';
    }
  }
  if (places > d.places) value *= power_of_ten(places - d.places);
  return value + (up && rest ? 1 : 0);
}

// Signed units of a bound; what is open moves by one unit.
Units signed_units(const Bound& bound, int places, bool lower) {
  const Units size = units_of(bound.value, places, bound.value.negative != lower);
  const Units value = bound.value.negative ? -size : size;
  if (!bound.open) return value;
  // Rounding has moved it already where the bound is between two units.
  if (units_of(bound.value, places, true) != units_of(bound.value, places, false)) return value;
  return lower ? value + 1 : value - 1;
}

// Rules for the magnitudes from `low` to `high` units (high < 0: without end), digit by digit.
class DigitRules {
 public:
  DigitRules(int places, int64_t multiple, EbnfWriter& writer)
      : places_(places), multiple_(multiple), writer_(writer) {}

  std::string element(Units low, Units high) {
    const int shortest = std::max(1, digit_count(low) - places_);
    const int longest =
        high < 0 ? shortest + 1 : std::max(1, digit_count(std::max<Units>(high, 1)) - places_);
    std::string out;
    for (int whole = shortest; whole <= longest; ++whole) {
      open_ended_ = high < 0 && whole == longest;
      const Units least = whole == 1 ? 0 : power_of_ten(whole - 1 + places_);
      const Units most = power_of_ten(whole + places_) - 1;
      const Units from = std::max(low, least);
      const Units to = high < 0 ? most : std::min(high, most);
      if (from > to) continue;
      whole_ = whole;
      low_ = spelled(from);
      high_ = spelled(to);
      rules_.clear();
      const std::string first = state(0, true, true, 0);
      if (!first.empty()) out += (out.empty() ? "" : " | ") + first;
    }
    return out;
  }

 private:
  std::string spelled(Units value) const {
    std::string out(static_cast<size_t>(whole_ + places_), '0');
    for (size_t i = out.size(); i > 0; --i, value /= 10) {
      out[i - 1] = static_cast<char>('0' + static_cast<int>(value % 10));
    }
    return out;
  }

  // What may follow the first `at` digits: equal to those of low, of high, neither or both. "":
  // nothing may.
  std::string state(int at, bool at_low, bool at_high, int64_t rest) {
    spend_work(20);
    const std::array<int64_t, 4> key{at, at_low, at_high, rest};
    if (const auto known = rules_.find(key); known != rules_.end()) return known->second;
    if (multiple_ == 1 && !at_low && (!at_high || open_ended_)) {
      return rules_[key] = writer_.add("digits", free_digits(at));
    }
    const bool loops = open_ended_ && at == whole_;
    std::string name;
    if (loops) rules_[key] = name = writer_.name("digits");
    std::vector<std::string> options;
    if (at >= whole_ && may_stop(at, at_low, rest)) options.push_back("\"\"");
    if (loops) next_digits(at, '0', '9', false, false, rest, at, options);
    if (at < whole_ + places_) {
      const char least = at_low ? low_[static_cast<size_t>(at)] : '0';
      const char most = at_high && !open_ended_ ? high_[static_cast<size_t>(at)] : '9';
      next_digits(at, least, most, at_low, at_high, rest, at + 1, options);
    }
    std::string body;
    for (const std::string& option : options) body += (body.empty() ? "" : " | ") + option;
    if (body.empty()) return rules_[key] = "";
    if (name.empty()) name = writer_.name("digits");
    writer_.define(name, body);
    return rules_[key] = name;
  }

  std::string free_digits(int at) const {
    if (at > whole_) return fmt::format("[0-9]{{0,{}}}", whole_ + places_ - at);
    std::string out;
    const int more = open_ended_ ? std::max(kMostDigits - at, 0) : whole_ - at;
    if (more > 0) out = fmt::format("[0-9]{{{},{}}}", whole_ - at, more);
    if (places_ > 0) out += fmt::format(" (\".\" [0-9]{{1,{}}})?", places_);
    return out.empty() ? "\"\"" : out;
  }

  bool may_stop(int at, bool at_low, int64_t rest) const {
    if (rest != 0) return false;
    return !at_low || low_.find_first_not_of('0', static_cast<size_t>(at)) == std::string::npos;
  }

  // Groups digits with one continuation.
  void next_digits(int at, char least, char most, bool at_low, bool at_high, int64_t rest, int next,
                   std::vector<std::string>& options) {
    std::map<std::string, std::vector<CodeSet::Range>> by_state;
    for (char digit = least; digit <= most; ++digit) {
      const bool low = at_low && digit == low_[at];
      const bool high = at_high && !open_ended_ && digit == high_[at];
      const int64_t remainder = (rest * 10 + (digit - '0')) % multiple_;
      const auto code = static_cast<char32_t>(digit);
      const std::string name = state(next, low, high, remainder);
      if (!name.empty()) by_state[name].push_back({code, code});
    }
    for (const auto& [name, codes] : by_state) {
      const bool point = at == whole_ && next > at;
      options.push_back((point ? "\".\" " : "") + ebnf_class(CodeSet(codes)) + " " + name);
    }
  }

  int places_;
  int64_t multiple_;
  EbnfWriter& writer_;
  int whole_ = 1;
  bool open_ended_ = false;
  std::string low_, high_;
  std::map<std::array<int64_t, 4>, std::string> rules_;
};

std::string bounded_element(const NumberLimits& limits, int places, EbnfWriter& writer) {
  std::optional<Units> low, high;
  if (limits.least) low = signed_units(*limits.least, places, true);
  if (limits.most) high = signed_units(*limits.most, places, false);
  DigitRules rules(places, limits.multiple, writer);
  std::string body, minus;
  if (!high || *high >= 0) {
    const Units from = low ? std::max<Units>(*low, 0) : 0;
    if (!high || from <= *high) body = rules.element(from, high ? *high : -1);
  }
  if (!low || *low < 0) {
    const Units from = high ? std::max<Units>(-*high, 1) : 1;
    if (!low || from <= -*low) minus = rules.element(from, low ? -*low : -1);
  }
  if (!minus.empty()) body += (body.empty() ? "" : " | ") + ("\"-\" (" + minus + ")");
  CHECK(!body.empty());
  return writer.add("number", body);
}

int places_of(const NumberLimits& limits) {
  if (!limits.fractions || limits.multiple > 1) return 0;
  int places = kPlaces;
  for (const auto& bound : {limits.least, limits.most}) {
    if (bound) places = std::max(places, bound->value.places);
  }
  for (const auto& bound : {limits.least, limits.most}) {
    if (!bound) continue;
    const int whole = static_cast<int>(bound->value.digits.size()) - bound->value.places;
    const int most = (bound->open ? kExactDigits : kUnitDigits - 2) - std::max(1, whole);
    if (most < bound->value.places) {
      fail(ErrorCode::kUnsupported, kWhere,
           "the bound {} has too many digits to be enforced on numbers with fractions",
           bound->value.text());
    }
    places = std::min(places, most);
  }
  return places;
}

}  // namespace

Decimal Decimal::of(const Json& number) {
  std::string text =
      number.is_number_float() ? fmt::format("{}", number.get<double>()) : number.dump();
  Decimal d;
  if (text.starts_with('-')) {
    d.negative = true;
    text.erase(0, 1);
  }
  int64_t exponent = 0;
  if (const size_t e = text.find_first_of("eE"); e != std::string::npos) {
    exponent = std::stoll(text.substr(e + 1));
    text.resize(e);
  }
  int64_t places = -exponent;
  if (const size_t point = text.find('.'); point != std::string::npos) {
    places += static_cast<int64_t>(text.size() - point - 1);
    text.erase(point, 1);
  }
  text.erase(0, std::min(text.find_first_not_of('0'), text.size()));
  while (places > 0 && text.ends_with('0')) {
    text.pop_back();
    --places;
  }
  if (text.empty()) return Decimal();
  if (places > kMaxDigits || static_cast<int64_t>(text.size()) - places > kMaxDigits) {
    fail(ErrorCode::kUnsupported, kWhere, "the number {} has too many digits", number.dump());
  }
  for (; places < 0; ++places) text += '0';
  d.digits = text;
  d.places = static_cast<int32_t>(places);
  return d;
}

int Decimal::compare(const Decimal& other) const {
  if (digits.empty() && other.digits.empty()) return 0;
  const bool minus = negative && !digits.empty(), other_minus = other.negative;
  if (minus != (other_minus && !other.digits.empty())) return minus ? -1 : 1;
  const auto aligned = [](const Decimal& d, int32_t places) {
    return d.digits + std::string(static_cast<size_t>(places - d.places), '0');
  };
  const int32_t most = std::max(places, other.places);
  std::string a = aligned(*this, most), b = aligned(other, most);
  const size_t width = std::max(a.size(), b.size());
  a.insert(0, width - a.size(), '0');
  b.insert(0, width - b.size(), '0');
  const int order = a < b ? -1 : (a == b ? 0 : 1);
  return minus ? -order : order;
}

std::string Decimal::text() const {
  std::string out = digits;
  if (static_cast<int32_t>(out.size()) <= places) {
    out.insert(0, static_cast<size_t>(places) + 1 - out.size(), '0');
  }
  if (out.empty()) out = "0";
  if (places > 0) out.insert(out.size() - static_cast<size_t>(places), ".");
  return negative ? "-" + out : out;
}

bool number_limits_empty(const NumberLimits& limits) {
  if (!limits.integers && !limits.fractions) return true;
  if (!limits.least || !limits.most) return false;
  const int order = limits.least->value.compare(limits.most->value);
  if (order > 0 || (order == 0 && (limits.least->open || limits.most->open))) return true;
  const int places = places_of(limits);
  Units low = signed_units(*limits.least, places, true);
  const Units high = signed_units(*limits.most, places, false);
  if (limits.multiple > 1) {
    const Units rest = low % limits.multiple;
    if (rest != 0) low += rest > 0 ? limits.multiple - rest : -rest;
  }
  return low > high;
}

bool number_within(const NumberLimits& limits, const Json& number) {
  const Decimal value = Decimal::of(number);
  if (!(value.whole() ? limits.integers : limits.fractions)) return false;
  if (limits.multiple > 1) {
    if (!value.whole()) return false;
    int64_t rest = 0;
    for (const char c : value.digits) rest = (rest * 10 + (c - '0')) % limits.multiple;
    if (rest != 0) return false;
  }
  if (limits.least) {
    const int order = value.compare(limits.least->value);
    if (order < 0 || (order == 0 && limits.least->open)) return false;
  }
  if (limits.most) {
    const int order = value.compare(limits.most->value);
    if (order > 0 || (order == 0 && limits.most->open)) return false;
  }
  return true;
}

std::string number_element(const NumberLimits& limits, EbnfWriter& writer) {
  const bool bounded = limits.least || limits.most || limits.multiple > 1;
  if (!limits.integers) {
    if (bounded) {
      fail(ErrorCode::kUnsupported, kWhere,
           "bounds of numbers that must not be whole cannot be enforced");
    }
    // So few digits that none of them is rounded to a whole number.
    return writer.add("number", "\"-\"? (\"0\" | [1-9] [0-9]{0,9}) \".\" [0-9]{0,4} [1-9]");
  }
  if (limits.multiple > kMaxMultiple) {
    fail(ErrorCode::kUnsupported, kWhere, "multiples of {} cannot be enforced; at most of {}",
         limits.multiple, kMaxMultiple);
  }
  if (bounded) {
    return bounded_element(limits, places_of(limits), writer);
  }
  if (!limits.fractions) return writer.add("integer", "\"0\" | \"-\"? [1-9] [0-9]{0,19}");
  return writer.add("number",
                    "\"-\"? (\"0\" | [1-9] [0-9]{0,19}) (\".\" [0-9]{1,20})? "
                    "([eE] [+-]? [0-9]{1,2})?");
}

}  // namespace ingot
