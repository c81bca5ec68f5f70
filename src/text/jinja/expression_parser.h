#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/token_stream.h"

namespace ingot::jinja {

// Expressions by the precedence of the template language: conditional, or, and, not, comparison,
// + -, ~, * / // %, **, unary with postfix and filters.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : t_(tokens) {}

  ExprPtr parse() { return parse_conditional(); }
  // An expression, or several with commas between them as a tuple.
  ExprPtr parse_tuple(bool with_conditional = true);
  // The filters behind `base`: "| a | b(c)". At least one when `required`.
  ExprPtr parse_filters(ExprPtr base, bool required);
  ExprPtr parse_or();
  SpecialNames seen;  // so far

 private:
  ExprPtr parse_conditional();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filter);
  ExprPtr parse_primary();
  ExprPtr parse_name_or_constant();
  ExprPtr parse_bracketed();
  ExprPtr parse_postfix(ExprPtr base);
  ExprPtr parse_postfix_and_filters(ExprPtr base);
  ExprPtr parse_subscript(ExprPtr base);
  ExprPtr parse_filter(ExprPtr base);
  ExprPtr parse_test(ExprPtr base);
  void parse_arguments(Expr& call);
  ExprPtr make(ExprKind kind, int line, std::vector<ExprPtr> args = {});
  // Takes note of new children of `expr` and bounds the depth.
  void settle(Expr& expr);

  TokenStream& t_;
};

}  // namespace ingot::jinja
