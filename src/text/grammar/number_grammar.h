// JSON numbers between bounds, as grammars. Internal to text/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "text/grammar/ebnf_writer.h"

namespace ingot {

// A number as JSON spells it, exactly: (negative ? -1 : 1) * digits * 10^-places.
struct Decimal {
  bool negative = false;
  std::string digits;  // without leading zeros; "" is zero
  int32_t places = 0;  // 0 for whole numbers
  // A double counts as the shortest decimal that rounds to it. Error{kUnsupported} for numbers of
  // more than 40 digits.
  static Decimal of(const Json& number);
  int compare(const Decimal& other) const;  // -1, 0, 1
  bool whole() const { return places == 0; }
  std::string text() const;
};

struct Bound {
  Decimal value;
  bool open = false;  // the bound itself does not belong to the range
};

struct NumberLimits {
  std::optional<Bound> least, most;
  int64_t multiple = 1;   // of what a whole number must be a multiple
  bool integers = true;   // whole numbers
  bool fractions = true;  // numbers with a fraction or an exponent
};

// Whether no number is within these limits.
bool number_limits_empty(const NumberLimits& limits);
bool number_within(const NumberLimits& limits, const Json& number);
// An element of EBNF for numbers within the limits, which are not empty. Whole numbers have at most
// 20 digits; between bounds fractions have a few places and there is no exponent. Error
// {kUnsupported} for limits that no such grammar says.
std::string number_element(const NumberLimits& limits, EbnfWriter& writer);

}  // namespace ingot
