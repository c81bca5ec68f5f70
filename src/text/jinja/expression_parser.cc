#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "text/jinja/library.h"

namespace ingot::jinja {
namespace {

// Nesting of one expression, chains of postfix operators included; the interpreter recurses as
// deep.
constexpr int kMaxExprDepth = 128;

std::optional<Op> arithmetic_op(const Token& token, std::string_view among) {
  if (token.type != TokenType::kOperator) return std::nullopt;
  static constexpr std::pair<std::string_view, Op> kOps[] = {
      {"+", Op::kAdd},    {"-", Op::kSubtract},     {"*", Op::kMultiply},
      {"/", Op::kDivide}, {"//", Op::kFloorDivide}, {"%", Op::kModulo}};
  for (const auto& [text, op] : kOps) {
    if (token.text == text && among.find(text) != among.npos) return op;
  }
  return std::nullopt;
}

}  // namespace

void ExpressionParser::settle(Expr& expr) {
  for (const ExprPtr& arg : expr.args) {
    if (arg != nullptr) expr.depth = std::max(expr.depth, arg->depth + 1);
  }
  for (const auto& [name, arg] : expr.keywords) expr.depth = std::max(expr.depth, arg->depth + 1);
  if (expr.depth > kMaxExprDepth) {
    t_.error(expr.line, fmt::format("an expression nests deeper than {}", kMaxExprDepth));
  }
}

ExprPtr ExpressionParser::make(ExprKind kind, int line, std::vector<ExprPtr> args) {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = line;
  expr->args = std::move(args);
  settle(*expr);
  return expr;
}

namespace {
template <typename... Ptrs>
std::vector<ExprPtr> list_of(Ptrs&&... ptrs) {
  std::vector<ExprPtr> out;
  (out.push_back(std::forward<Ptrs>(ptrs)), ...);
  return out;
}
}  // namespace

ExprPtr ExpressionParser::parse_tuple(bool with_conditional) {
  const int line = t_.line();
  const auto one = [&] { return with_conditional ? parse_conditional() : parse_or(); };
  ExprPtr first = one();
  if (!t_.is_op(",")) return first;
  auto args = list_of(std::move(first));
  while (t_.skip_op(",")) {
    const bool ends = t_.peek().type == TokenType::kVariableEnd ||
                      t_.peek().type == TokenType::kBlockEnd || t_.is_op(")");
    if (ends) break;
    args.push_back(one());
  }
  return make(ExprKind::kTuple, line, std::move(args));
}

ExprPtr ExpressionParser::parse_conditional() {
  const TokenStream::Level level(t_);
  ExprPtr value = parse_or();
  while (t_.is_name("if")) {
    const int line = t_.next().line;
    ExprPtr condition = parse_or();
    ExprPtr otherwise = t_.skip_name("else") ? parse_conditional() : nullptr;
    value = make(ExprKind::kConditional, line,
                 list_of(std::move(condition), std::move(value), std::move(otherwise)));
  }
  return value;
}

ExprPtr ExpressionParser::parse_or() {
  ExprPtr first = parse_and();
  if (!t_.is_name("or")) return first;
  const int line = t_.line();
  auto args = list_of(std::move(first));
  while (t_.skip_name("or")) args.push_back(parse_and());
  return make(ExprKind::kOr, line, std::move(args));
}

ExprPtr ExpressionParser::parse_and() {
  ExprPtr first = parse_not();
  if (!t_.is_name("and")) return first;
  const int line = t_.line();
  auto args = list_of(std::move(first));
  while (t_.skip_name("and")) args.push_back(parse_not());
  return make(ExprKind::kAnd, line, std::move(args));
}

ExprPtr ExpressionParser::parse_not() {
  if (!t_.is_name("not")) return parse_compare();
  const TokenStream::Level level(t_);
  const int line = t_.next().line;
  return make(ExprKind::kNot, line, list_of(parse_not()));
}

ExprPtr ExpressionParser::parse_compare() {
  static constexpr std::pair<std::string_view, Op> kOps[] = {
      {"==", Op::kEqual},     {"!=", Op::kNotEqual}, {"<", Op::kLess},
      {"<=", Op::kLessEqual}, {">", Op::kGreater},   {">=", Op::kGreaterEqual}};
  const int line = t_.line();
  auto args = list_of(parse_sum());
  std::vector<Op> ops;
  while (true) {
    const auto* op = std::find_if(std::begin(kOps), std::end(kOps),
                                  [&](const auto& entry) { return t_.is_op(entry.first); });
    if (op != std::end(kOps)) {
      ops.push_back(op->second);
      t_.next();
    } else if (t_.skip_name("in")) {
      ops.push_back(Op::kIn);
    } else if (t_.is_name("not") && t_.is_name("in", 1)) {
      t_.next();
      t_.next();
      ops.push_back(Op::kNotIn);
    } else {
      break;
    }
    args.push_back(parse_sum());
  }
  if (ops.empty()) return std::move(args[0]);
  ExprPtr out = make(ExprKind::kCompare, line, std::move(args));
  out->ops = std::move(ops);
  return out;
}

ExprPtr ExpressionParser::parse_sum() {
  const int line = t_.line();
  auto args = list_of(parse_concat());
  std::vector<Op> ops;
  while (const auto op = arithmetic_op(t_.peek(), "+ -")) {
    t_.next();
    ops.push_back(*op);
    args.push_back(parse_concat());
  }
  if (ops.empty()) return std::move(args[0]);
  ExprPtr out = make(ExprKind::kArithmetic, line, std::move(args));
  out->ops = std::move(ops);
  return out;
}

ExprPtr ExpressionParser::parse_concat() {
  const int line = t_.line();
  auto args = list_of(parse_product());
  while (t_.skip_op("~")) args.push_back(parse_product());
  if (args.size() == 1) return std::move(args[0]);
  return make(ExprKind::kConcat, line, std::move(args));
}

ExprPtr ExpressionParser::parse_product() {
  const int line = t_.line();
  auto args = list_of(parse_power());
  std::vector<Op> ops;
  while (const auto op = arithmetic_op(t_.peek(), "* / // %")) {
    t_.next();
    ops.push_back(*op);
    args.push_back(parse_power());
  }
  if (ops.empty()) return std::move(args[0]);
  ExprPtr out = make(ExprKind::kArithmetic, line, std::move(args));
  out->ops = std::move(ops);
  return out;
}

ExprPtr ExpressionParser::parse_power() {
  ExprPtr value = parse_unary(true);
  while (t_.is_op("**")) {
    const int line = t_.next().line;
    value = make(ExprKind::kArithmetic, line, list_of(std::move(value), parse_unary(true)));
    value->ops = {Op::kPower};
  }
  return value;
}

ExprPtr ExpressionParser::parse_unary(bool with_filter) {
  ExprPtr value;
  if (t_.is_op("-") || t_.is_op("+")) {
    const TokenStream::Level level(t_);
    const Token& sign = t_.next();
    const ExprKind kind = sign.text == "-" ? ExprKind::kNegate : ExprKind::kPlus;
    const int line = sign.line;
    value = make(kind, line, list_of(parse_unary(false)));
  } else {
    value = parse_primary();
  }
  value = parse_postfix(std::move(value));
  return with_filter ? parse_postfix_and_filters(std::move(value)) : std::move(value);
}

ExprPtr ExpressionParser::parse_primary() {
  const Token& token = t_.peek();
  const int line = token.line;
  if (token.type == TokenType::kName) return parse_name_or_constant();
  if (token.type == TokenType::kString) {
    std::string text;
    while (t_.peek().type == TokenType::kString) text += t_.next().text;
    ExprPtr out = make(ExprKind::kConst, line);
    out->value = Str(std::move(text));
    return out;
  }
  if (token.type == TokenType::kInteger || token.type == TokenType::kFloat) {
    const std::string& text = t_.next().text;
    ExprPtr out = make(ExprKind::kConst, line);
    int64_t integer = 0;
    double real = 0;
    const char* end = text.data() + text.size();
    if (token.type == TokenType::kInteger) {
      if (std::from_chars(text.data(), end, integer).ec != std::errc()) {
        t_.error(line, fmt::format("the integer {} is too large", text));
      }
      out->value = integer;
    } else {
      if (std::from_chars(text.data(), end, real).ec != std::errc()) {
        t_.error(line, fmt::format("the number {} is out of range", text));
      }
      out->value = real;
    }
    return out;
  }
  return parse_bracketed();
}

ExprPtr ExpressionParser::parse_name_or_constant() {
  const Token& token = t_.next();
  ExprPtr out = make(ExprKind::kConst, token.line);
  if (token.text == "true" || token.text == "True") {
    out->value = true;
  } else if (token.text == "false" || token.text == "False") {
    out->value = false;
  } else if (token.text == "none" || token.text == "None") {
    out->value = None{};
  } else {
    out->kind = ExprKind::kName;
    out->name = token.text;
    seen.caller = seen.caller || token.text == "caller";
    seen.varargs = seen.varargs || token.text == "varargs";
    seen.kwargs = seen.kwargs || token.text == "kwargs";
  }
  return out;
}

ExprPtr ExpressionParser::parse_bracketed() {
  const int line = t_.line();
  if (t_.skip_op("(")) {
    if (t_.skip_op(")")) return make(ExprKind::kTuple, line);
    ExprPtr inner = parse_tuple();
    t_.expect_op(")");
    return inner;
  }
  std::vector<ExprPtr> args;
  if (t_.skip_op("[")) {
    while (!t_.is_op("]")) {
      if (!args.empty()) t_.expect_op(",");
      if (t_.is_op("]")) break;
      args.push_back(parse());
    }
    t_.expect_op("]");
    return make(ExprKind::kList, line, std::move(args));
  }
  if (t_.skip_op("{")) {
    while (!t_.is_op("}")) {
      if (!args.empty()) t_.expect_op(",");
      if (t_.is_op("}")) break;
      args.push_back(parse());
      t_.expect_op(":");
      args.push_back(parse());
    }
    t_.expect_op("}");
    return make(ExprKind::kDict, line, std::move(args));
  }
  t_.unexpected("an expression");
}

ExprPtr ExpressionParser::parse_postfix(ExprPtr base) {
  while (true) {
    const int line = t_.line();
    if (t_.skip_op(".")) {
      if (t_.peek().type == TokenType::kInteger) {
        ExprPtr index = parse_primary();
        base = make(ExprKind::kSubscript, line, list_of(std::move(base), std::move(index)));
        continue;
      }
      base = make(ExprKind::kAttribute, line, list_of(std::move(base)));
      base->name = t_.expect_name();
    } else if (t_.skip_op("[")) {
      base = parse_subscript(std::move(base));
    } else if (t_.is_op("(")) {
      base = make(ExprKind::kCall, line, list_of(std::move(base)));
      parse_arguments(*base);
    } else {
      return base;
    }
  }
}

ExprPtr ExpressionParser::parse_subscript(ExprPtr base) {
  const int line = t_.line();
  std::vector<ExprPtr> args = list_of(std::move(base));
  bool is_slice = false;
  for (int part = 0; part < 3; ++part) {
    args.push_back(t_.is_op(":") || t_.is_op("]") ? nullptr : parse());
    if (!t_.skip_op(":")) break;
    is_slice = true;
  }
  t_.expect_op("]");
  if (!is_slice && args[1] == nullptr) t_.error(line, "an empty subscript");
  if (is_slice) args.resize(4);
  return make(is_slice ? ExprKind::kSlice : ExprKind::kSubscript, line, std::move(args));
}

void ExpressionParser::parse_arguments(Expr& call) {
  t_.expect_op("(");
  for (bool first = true; !t_.is_op(")"); first = false) {
    if (!first) t_.expect_op(",");
    if (t_.is_op(")")) break;
    if (t_.is_op("*") || t_.is_op("**")) t_.unsupported(t_.line(), "an unpacked argument");
    if (t_.peek().type == TokenType::kName && t_.is_op("=", 1)) {
      std::string name = t_.next().text;
      t_.next();
      call.keywords.emplace_back(std::move(name), parse());
    } else {
      if (!call.keywords.empty()) t_.error(t_.line(), "a positional argument after a named one");
      call.args.push_back(parse());
    }
  }
  t_.expect_op(")");
  settle(call);
}

ExprPtr ExpressionParser::parse_postfix_and_filters(ExprPtr base) {
  while (true) {
    if (t_.is_op("|")) {
      base = parse_filter(std::move(base));
    } else if (t_.is_name("is")) {
      base = parse_test(std::move(base));
    } else if (t_.is_op("(")) {
      base = make(ExprKind::kCall, t_.line(), list_of(std::move(base)));
      parse_arguments(*base);
    } else {
      return base;
    }
  }
}

ExprPtr ExpressionParser::parse_filters(ExprPtr base, bool required) {
  if (required && !t_.is_op("|")) base = parse_filter(std::move(base));
  while (t_.is_op("|")) base = parse_filter(std::move(base));
  return base;
}

ExprPtr ExpressionParser::parse_filter(ExprPtr base) {
  t_.skip_op("|");
  const int line = t_.line();
  const std::string name = t_.expect_name();
  ExprPtr out = make(ExprKind::kFilter, line, list_of(std::move(base)));
  out->filter = find_filter(name);
  out->name = name;
  if (t_.is_op("(")) parse_arguments(*out);
  return out;
}

ExprPtr ExpressionParser::parse_test(ExprPtr base) {
  const int line = t_.next().line;
  const bool negated = t_.skip_name("not");
  const std::string name = t_.expect_name();
  ExprPtr out = make(ExprKind::kTest, line, list_of(std::move(base)));
  out->test = find_test(name);
  out->name = name;
  const Token& token = t_.peek();
  if (t_.is_op("(")) {
    parse_arguments(*out);
  } else if (t_.is_op("[") || t_.is_op("{") || token.type == TokenType::kString ||
             token.type == TokenType::kInteger || token.type == TokenType::kFloat ||
             (token.type == TokenType::kName && token.text != "else" && token.text != "or" &&
              token.text != "and" && token.text != "if" && token.text != "is" &&
              token.text != "in" && token.text != "not")) {
    out->args.push_back(parse_postfix(parse_primary()));
    settle(*out);
  }
  if (!negated) return out;
  return make(ExprKind::kNot, line, list_of(std::move(out)));
}

}  // namespace ingot::jinja
