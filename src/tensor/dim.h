// Symbolic dimensions: constants, named symbols and integer expressions of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/shape.h"

namespace ingot {

using SymbolValues = std::map<std::string, int64_t, std::less<>>;

// An integer polynomial in atoms; an atom is a symbol ("tokens") or a rounded quotient of two
// expressions ("ceil(tokens / 32)", "floor(...)") or "max(a, b)" / "min(a, b)". Kept in a canonical
// form, so that equal text means equal expression. A value: cheap for constants and single symbols.
// An expression past a thousand terms, or a few thousand characters in one atom, is
// Error{kUnsupported} where it would be made.
class Dim {
 public:
  Dim(int64_t constant = 0);  // NOLINT: 3 is a dimension
  static Dim symbol(std::string_view name);
  // Parses what text() prints. Error{kCorrupt} on anything else (engine files hold these).
  static Dim parse(std::string_view text);

  bool is_constant() const;
  int64_t constant() const;  // CHECKs is_constant()
  std::string text() const;
  // Error{kInvalidArgument} naming the symbol when `values` lacks one, or on overflow past 2^62.
  int64_t evaluate(const SymbolValues& values) const;
  // Names of the symbols it depends on, sorted, without repeats.
  std::vector<std::string> symbols() const;
  // The same expression with symbols replaced.
  Dim substitute(const std::map<std::string, Dim, std::less<>>& values) const;

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  friend bool operator==(const Dim& a, const Dim& b) { return a.terms_ == b.terms_; }
  friend bool operator<(const Dim& a, const Dim& b) { return a.terms_ < b.terms_; }
  // Quotients round towards the named side; exact polynomial quotients stay polynomials.
  static Dim floor_div(const Dim& a, const Dim& b);
  static Dim ceil_div(const Dim& a, const Dim& b);
  static Dim max(const Dim& a, const Dim& b);
  static Dim min(const Dim& a, const Dim& b);

 private:
  // Product of atoms (sorted, repeats allowed) -> coefficient; {} is the constant term. No zeros.
  using Monomial = std::vector<std::string>;
  std::map<Monomial, int64_t> terms_;
  static Dim atom(std::string name);
  void add_term(const Monomial& atoms, int64_t coefficient);
  static bool divide_exact(const Dim& a, const Dim& b, Dim& out);
};

using SymShape = std::vector<Dim>;

std::string shape_text(const SymShape& shape);  // "[tokens, 576]"
SymShape sym_shape(const Shape& shape);
Shape evaluate(const SymShape& shape, const SymbolValues& values);
bool is_constant(const SymShape& shape);
Dim element_count(const SymShape& shape);

}  // namespace ingot
