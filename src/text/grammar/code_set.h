// Sets of Unicode scalar values, for the character classes of grammars.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace ingot {

// Immutable ranges, sorted, disjoint, without surrogates.
class CodeSet {
 public:
  using Range = std::pair<char32_t, char32_t>;  // both ends belong to it
  CodeSet() = default;
  CodeSet(std::initializer_list<Range> ranges) : CodeSet(std::vector<Range>(ranges)) {}
  // In any order, overlapping or not.
  explicit CodeSet(const std::vector<Range>& ranges);
  static CodeSet all() { return CodeSet{{0, 0x10FFFF}}; }
  static CodeSet of(char32_t code) { return CodeSet{{code, code}}; }

  const std::vector<Range>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  bool contains(char32_t code) const;
  CodeSet complement() const;
  CodeSet unite(const CodeSet& other) const;
  CodeSet intersect(const CodeSet& other) const;
  CodeSet minus(const CodeSet& other) const { return intersect(other.complement()); }
  bool operator==(const CodeSet&) const = default;

 private:
  std::vector<Range> ranges_;
};

}  // namespace ingot
