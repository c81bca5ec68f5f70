#include "tensor/dim.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <set>

#include "base/check.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "tensor/dim";
constexpr int64_t kLimit = int64_t{1} << 62;
constexpr int kMaxDepth = 32;
// Sizes of real models are short sums; without bounds a file of a kilobyte could make one of any
// length.
constexpr size_t kMaxTerms = 1024;
constexpr size_t kMaxFactors = 64;  // of one product
constexpr size_t kMaxAtom = 4096;   // characters

// Recursive-descent parser of the printed form:
//   expr := term (('+' | '-') term)*      term := factor ('*' factor)*
//   factor := int | name | name '(' expr ',' expr ')' | '(' expr ')' | '-' factor
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}
  Dim parse() {
    Dim out = expr(0);
    skip();
    if (at_ != text_.size()) bad("end of text");
    return out;
  }

 private:
  [[noreturn]] void bad(std::string_view expected) {
    fail(ErrorCode::kCorrupt, kWhere, "'{}' at {}: expected {}", text_.substr(0, 80), at_,
         expected);
  }
  void skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool eat(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Dim expr(int depth) {
    if (depth > kMaxDepth) bad("less nesting");
    Dim out = term(depth);
    while (true) {
      if (eat('+')) {
        out = out + term(depth);
      } else if (eat('-')) {
        out = out - term(depth);
      } else {
        return out;
      }
    }
  }
  Dim term(int depth) {
    Dim out = factor(depth);
    while (eat('*')) out = out * factor(depth);
    return out;
  }
  Dim factor(int depth) {
    if (depth > kMaxDepth) bad("less nesting");
    skip();
    if (eat('-')) return Dim(0) - factor(depth + 1);
    if (eat('(')) {
      Dim out = expr(depth + 1);
      if (!eat(')')) bad("')'");
      return out;
    }
    if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) return number();
    return name(depth);
  }
  Dim number() {
    int64_t value = 0;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
      value = value * 10 + (text_[at_++] - '0');
      if (value > kLimit) bad("a number below 2^62");
    }
    return value;
  }
  Dim name(int depth) {
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) ||
                                  text_[at_] == '_' || text_[at_] == '.')) {
      ++at_;
    }
    if (at_ == begin) bad("a number or a name");
    const std::string_view id = text_.substr(begin, at_ - begin);
    if (!eat('(')) return Dim::symbol(id);
    const Dim a = expr(depth + 1);
    if (!eat(',')) bad("','");
    const Dim b = expr(depth + 1);
    if (!eat(')')) bad("')'");
    if (id == "floor") return Dim::floor_div(a, b);
    if (id == "ceil") return Dim::ceil_div(a, b);
    if (id == "max") return Dim::max(a, b);
    if (id == "min") return Dim::min(a, b);
    bad("floor, ceil, max or min");
  }
  std::string_view text_;
  size_t at_ = 0;
};

// An atom is "name" or "f(a, b)": splits the latter at its top-level comma.
bool split_call(const std::string& atom, std::string& f, std::string& a, std::string& b) {
  const size_t open = atom.find('(');
  if (open == std::string::npos) return false;
  f = atom.substr(0, open);
  int depth = 0;
  for (size_t i = open + 1; i + 1 < atom.size(); ++i) {
    if (atom[i] == '(') ++depth;
    if (atom[i] == ')') --depth;
    if (atom[i] == ',' && depth == 0) {
      a = atom.substr(open + 1, i - open - 1);
      b = atom.substr(i + 2, atom.size() - i - 3);
      return true;
    }
  }
  CHECK_MSG(false, "malformed atom '{}'", atom);
  return false;
}

int64_t floor_quotient(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

int64_t apply(const std::string& f, int64_t a, int64_t b) {
  if (f == "max") return std::max(a, b);
  if (f == "min") return std::min(a, b);
  if (a == INT64_MIN || b == INT64_MIN) {
    fail(ErrorCode::kInvalidArgument, kWhere, "{} of {} and {} exceeds 2^62", f, a, b);
  }
  if (b == 0) fail(ErrorCode::kInvalidArgument, kWhere, "division of {} by zero", a);
  return f == "floor" ? floor_quotient(a, b) : -floor_quotient(-a, b);
}

}  // namespace

Dim::Dim(int64_t constant) {
  if (constant != 0) terms_[{}] = constant;
}
Dim Dim::atom(std::string name) {
  if (name.size() > kMaxAtom) {
    fail(ErrorCode::kUnsupported, kWhere, "a dimension of {} characters: '{}..'", name.size(),
         name.substr(0, 80));
  }
  Dim out;
  out.terms_[{std::move(name)}] = 1;
  return out;
}
Dim Dim::symbol(std::string_view name) { return atom(std::string(name)); }
Dim Dim::parse(std::string_view text) { return Parser(text).parse(); }

bool Dim::is_constant() const {
  return terms_.empty() || (terms_.size() == 1 && terms_.begin()->first.empty());
}
int64_t Dim::constant() const {
  CHECK_MSG(is_constant(), "'{}' is not constant", text());
  return terms_.empty() ? 0 : terms_.begin()->second;
}

std::string Dim::text() const {
  if (terms_.empty()) return "0";
  std::string out;
  // Highest products first, the constant last, so that "32*tokens + 1" reads naturally.
  for (auto it = terms_.rbegin(); it != terms_.rend(); ++it) {
    const auto& [atoms, coefficient] = *it;
    std::string product;
    for (const std::string& a : atoms) product += (product.empty() ? "" : "*") + a;
    const uint64_t bits = static_cast<uint64_t>(coefficient);
    const uint64_t magnitude = coefficient < 0 ? 0 - bits : bits;
    if (product.empty()) {
      product = std::to_string(magnitude);
    } else if (magnitude != 1) {
      product = std::to_string(magnitude) + "*" + product;
    }
    if (out.empty()) {
      out = (coefficient < 0 ? "-" : "") + product;
    } else {
      out += (coefficient < 0 ? " - " : " + ") + product;
    }
  }
  return out;
}

int64_t Dim::evaluate(const SymbolValues& values) const {
  int64_t total = 0;
  for (const auto& [atoms, coefficient] : terms_) {
    int64_t product = coefficient;
    for (const std::string& name : atoms) {
      std::string f, a, b;
      int64_t value = 0;
      if (split_call(name, f, a, b)) {
        value = apply(f, parse(a).evaluate(values), parse(b).evaluate(values));
      } else {
        auto it = values.find(name);
        if (it == values.end()) {
          fail(ErrorCode::kInvalidArgument, kWhere, "'{}': no value for '{}'", text(), name);
        }
        value = it->second;
      }
      if (__builtin_mul_overflow(product, value, &product) || product > kLimit ||
          product < -kLimit) {
        fail(ErrorCode::kInvalidArgument, kWhere, "'{}' exceeds 2^62", text());
      }
    }
    if (__builtin_add_overflow(total, product, &total)) {
      fail(ErrorCode::kInvalidArgument, kWhere, "'{}' exceeds 2^62", text());
    }
  }
  return total;
}

std::vector<std::string> Dim::symbols() const {
  std::set<std::string> out;
  for (const auto& [atoms, coefficient] : terms_) {
    for (const std::string& name : atoms) {
      std::string f, a, b;
      if (!split_call(name, f, a, b)) {
        out.insert(name);
        continue;
      }
      for (const std::string& part : {a, b}) {
        for (std::string& s : parse(part).symbols()) out.insert(std::move(s));
      }
    }
  }
  return {out.begin(), out.end()};
}

Dim Dim::substitute(const std::map<std::string, Dim, std::less<>>& values) const {
  Dim total;
  for (const auto& [atoms, coefficient] : terms_) {
    Dim product = coefficient;
    for (const std::string& name : atoms) {
      std::string f, a, b;
      if (split_call(name, f, a, b)) {
        const Dim x = parse(a).substitute(values);
        const Dim y = parse(b).substitute(values);
        product = product * (f == "floor"  ? floor_div(x, y)
                             : f == "ceil" ? ceil_div(x, y)
                             : f == "max"  ? max(x, y)
                                           : min(x, y));
      } else {
        auto it = values.find(name);
        product = product * (it == values.end() ? atom(name) : it->second);
      }
    }
    total = total + product;
  }
  return total;
}

void Dim::add_term(const Monomial& atoms, int64_t coefficient) {
  int64_t& slot = terms_[atoms];
  if (__builtin_add_overflow(slot, coefficient, &slot)) {
    fail(ErrorCode::kInvalidArgument, kWhere, "a dimension exceeds 64 bits");
  }
  if (slot == 0) terms_.erase(atoms);
  if (terms_.size() > kMaxTerms) {
    fail(ErrorCode::kUnsupported, kWhere, "a dimension of more than {} terms", kMaxTerms);
  }
}

Dim operator+(const Dim& a, const Dim& b) {
  Dim out = a;
  for (const auto& [atoms, coefficient] : b.terms_) out.add_term(atoms, coefficient);
  return out;
}

Dim operator*(const Dim& a, const Dim& b) {
  Dim out;
  for (const auto& [x, cx] : a.terms_) {
    for (const auto& [y, cy] : b.terms_) {
      Dim::Monomial product = x;
      product.insert(product.end(), y.begin(), y.end());
      if (product.size() > kMaxFactors) {
        fail(ErrorCode::kUnsupported, kWhere, "a dimension with a product of {} factors",
             product.size());
      }
      std::sort(product.begin(), product.end());
      int64_t coefficient = 0;
      if (__builtin_mul_overflow(cx, cy, &coefficient)) {
        fail(ErrorCode::kInvalidArgument, kWhere, "a dimension exceeds 64 bits");
      }
      out.add_term(product, coefficient);
    }
  }
  return out;
}

Dim operator-(const Dim& a, const Dim& b) { return a + b * Dim(-1); }

// True when a is a multiple of the single-term expression b; out = a / b.
bool Dim::divide_exact(const Dim& a, const Dim& b, Dim& out) {
  if (b.terms_.size() != 1) return a == b && !b.terms_.empty() ? (out = Dim(1), true) : false;
  const auto& [divisor, coefficient] = *b.terms_.begin();
  Dim result;
  for (const auto& [atoms, c] : a.terms_) {
    if (coefficient == -1 && c == INT64_MIN) return false;
    if (c % coefficient != 0) return false;
    Monomial rest;
    if (!std::includes(atoms.begin(), atoms.end(), divisor.begin(), divisor.end())) return false;
    std::set_difference(atoms.begin(), atoms.end(), divisor.begin(), divisor.end(),
                        std::back_inserter(rest));
    result.terms_[rest] = c / coefficient;
  }
  out = result;
  return true;
}

Dim Dim::floor_div(const Dim& a, const Dim& b) {
  Dim out;
  if (divide_exact(a, b, out)) return out;
  if (a.is_constant() && b.is_constant()) return apply("floor", a.constant(), b.constant());
  return atom(fmt::format("floor({}, {})", a.text(), b.text()));
}
Dim Dim::ceil_div(const Dim& a, const Dim& b) {
  Dim out;
  if (divide_exact(a, b, out)) return out;
  if (a.is_constant() && b.is_constant()) return apply("ceil", a.constant(), b.constant());
  return atom(fmt::format("ceil({}, {})", a.text(), b.text()));
}
Dim Dim::max(const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (a.is_constant() && b.is_constant()) return std::max(a.constant(), b.constant());
  const bool ordered = a < b;
  return atom(fmt::format("max({}, {})", (ordered ? a : b).text(), (ordered ? b : a).text()));
}
Dim Dim::min(const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (a.is_constant() && b.is_constant()) return std::min(a.constant(), b.constant());
  const bool ordered = a < b;
  return atom(fmt::format("min({}, {})", (ordered ? a : b).text(), (ordered ? b : a).text()));
}

std::string shape_text(const SymShape& shape) {
  std::string out = "[";
  for (const Dim& dim : shape) out += (out.size() > 1 ? ", " : "") + dim.text();
  return out + "]";
}
SymShape sym_shape(const Shape& shape) { return {shape.begin(), shape.end()}; }
Shape evaluate(const SymShape& shape, const SymbolValues& values) {
  Shape out;
  for (const Dim& dim : shape) out.push_back(dim.evaluate(values));
  return out;
}
bool is_constant(const SymShape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](const Dim& d) { return d.is_constant(); });
}
Dim element_count(const SymShape& shape) {
  Dim total = 1;
  for (const Dim& dim : shape) total = total * dim;
  return total;
}

}  // namespace ingot
