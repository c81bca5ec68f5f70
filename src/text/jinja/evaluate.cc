// Expressions.
#include <algorithm>
#include <cmath>

#include "text/jinja/format.h"
#include "text/jinja/interpreter.h"

namespace ingot::jinja {

Value Interpreter::eval(const Expr& e) {
  if (++recursion_ > kMaxRecursion) {
    --recursion_;
    error("expressions nest too deep");
  }
  struct Leave {
    int& depth;
    ~Leave() { --depth; }
  } leave{recursion_};
  charge(1);
  line_ = e.line;
  switch (e.kind) {
    case ExprKind::kConst:
      return e.value;
    case ExprKind::kName:
      return eval_name(e);
    case ExprKind::kList:
    case ExprKind::kTuple: {
      Values items;
      for (const ExprPtr& arg : e.args) items.push_back(eval(*arg));
      return make_list(std::move(items), e.kind == ExprKind::kTuple);
    }
    case ExprKind::kDict:
      return eval_dict(e);
    case ExprKind::kNegate:
    case ExprKind::kPlus: {
      const Value v = eval(*e.args[0]);
      if (!v.is_number()) error(fmt::format("a sign before a {}", v.type_name()));
      if (e.kind == ExprKind::kPlus) return v;
      if (v.is_float()) return -v.as_double();  // 0 - 0.0 has no sign
      return arithmetic(Op::kSubtract, int64_t{0}, v);
    }
    case ExprKind::kNot:
      return !eval(*e.args[0]).truthy();
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      Value v;
      for (const ExprPtr& arg : e.args) {
        v = eval(*arg);
        if (v.truthy() == (e.kind == ExprKind::kOr)) break;
      }
      return v;
    }
    case ExprKind::kArithmetic:
      return eval_arithmetic(e);
    case ExprKind::kConcat:
      return eval_concat(e);
    case ExprKind::kCompare:
      return eval_compare(e);
    case ExprKind::kConditional:
      if (eval(*e.args[0]).truthy()) return eval(*e.args[1]);
      return e.args[2] == nullptr ? Value() : eval(*e.args[2]);
    case ExprKind::kAttribute:
      return eval_attribute(e);
    case ExprKind::kSubscript: {
      const Value object = eval(*e.args[0]);
      return subscript(*this, object, eval(*e.args[1]));
    }
    case ExprKind::kSlice:
      return eval_slice(e);
    case ExprKind::kCall:
      return eval_call(e);
    case ExprKind::kFilter: {
      const Value input = eval(*e.args[0]);
      if (e.filter == nullptr) unsupported(fmt::format("filter '{}'", e.name));
      return e.filter->apply(*this, input, eval_arguments(e));
    }
    case ExprKind::kTest: {
      const Value input = eval(*e.args[0]);
      if (e.test == nullptr) unsupported(fmt::format("test '{}'", e.name));
      return e.test->apply(*this, input, eval_arguments(e));
    }
  }
  return {};
}

Value Interpreter::eval_name(const Expr& e) {
  if (const Value* found = lookup(e.name)) return *found;
  if (!has_function(e.name)) return Undefined{e.name};
  auto callable = std::make_shared<Callable>();
  callable->name = e.name;
  return std::shared_ptr<const Callable>(std::move(callable));
}

Value Interpreter::eval_dict(const Expr& e) {
  Pairs items;
  for (size_t i = 0; i + 1 < e.args.size(); i += 2) {
    Value key = eval(*e.args[i]);
    Value value = eval(*e.args[i + 1]);
    const auto same = std::find_if(items.begin(), items.end(),
                                   [&](const auto& item) { return equal_keys(item.first, key); });
    charge_items(items.size());
    if (same != items.end()) {
      same->second = std::move(value);
    } else {
      items.emplace_back(std::move(key), std::move(value));
    }
  }
  return make_dict(std::move(items));
}

bool Interpreter::compare_once(Op op, const Value& a, const Value& b) {
  if (a.str() != nullptr && b.str() != nullptr)
    charge_bytes(std::min(a.str()->size(), b.str()->size()));
  switch (op) {
    case Op::kEqual:
      return jinja::equal(*this, a, b);
    case Op::kNotEqual:
      return !jinja::equal(*this, a, b);
    case Op::kIn:
      return contains(*this, b, a);
    case Op::kNotIn:
      return !contains(*this, b, a);
    case Op::kLess:
      return compare(*this, a, b) < 0;
    case Op::kLessEqual:
      return compare(*this, a, b) <= 0;
    case Op::kGreater:
      return compare(*this, a, b) > 0;
    default:
      return compare(*this, a, b) >= 0;
  }
}

Value Interpreter::eval_compare(const Expr& e) {
  Value left = eval(*e.args[0]);
  for (size_t i = 0; i < e.ops.size(); ++i) {
    Value right = eval(*e.args[i + 1]);
    if (!compare_once(e.ops[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

// A chain of + over texts is joined into one growing text, so that long chains stay linear.
Value Interpreter::eval_arithmetic(const Expr& e) {
  Value left = eval(*e.args[0]);
  for (size_t i = 0; i < e.ops.size(); ++i) {
    const bool joins = e.ops[i] == Op::kAdd && left.str() != nullptr;
    if (!joins) {
      left = arithmetic(e.ops[i], left, eval(*e.args[i + 1]));
      continue;
    }
    left = concatenate(e, i, Str(*left.str()));
  }
  return left;
}

// From ops[i], a +, on to the last + that follows; markup wants the rest escaped.
Value Interpreter::concatenate(const Expr& e, size_t& i, const Str& first) {
  Str text = first;
  for (; i < e.ops.size() && e.ops[i] == Op::kAdd; ++i) {
    const Value right = eval(*e.args[i + 1]);
    const Str* added = right.str();
    if (added == nullptr) {
      error(fmt::format(
          "'+' of a string and a value of type {}{}", right.type_name(),
          right.is_undefined() ? fmt::format(" ('{}')", right.undefined_name()) : std::string()));
    }
    charge_bytes(text.size() + added->size());
    if (added->markup() && !text.markup()) text = escape_html(text);
    text.append(text.markup() && !added->markup() ? escape_html(*added) : *added);
  }
  --i;
  return text;
}

Value Interpreter::arithmetic(Op op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    const bool real =
        a.is_float() || b.is_float() || op == Op::kDivide || (op == Op::kPower && b.as_int() < 0);
    if (real) return float_arithmetic(op, a.as_double(), b.as_double());
    return integer_arithmetic(op, a.as_int(), b.as_int());
  }
  if (op == Op::kAdd) return add(a, b);
  if (op == Op::kMultiply && b.is_integral()) return repeat(a, b.as_int());
  if (op == Op::kMultiply && a.is_integral()) return repeat(b, a.as_int());
  if (op == Op::kModulo && a.str() != nullptr) {
    const bool several = b.list() != nullptr && b.list()->tuple;
    return format_percent(*this, *a.str(), several ? b.list()->items : Values{b}, b);
  }
  error(fmt::format("arithmetic of values of type {} and {}", a.type_name(), b.type_name()));
}

Value Interpreter::integer_arithmetic(Op op, int64_t a, int64_t b) {
  int64_t out = 0;
  bool overflow = false;
  if ((op == Op::kFloorDivide || op == Op::kModulo) && b == 0) error("division by zero");
  if ((op == Op::kFloorDivide || op == Op::kModulo) && b == -1) {  // INT64_MIN / -1 overflows
    if (op == Op::kModulo) return int64_t{0};
    op = Op::kSubtract;
    b = a;
    a = 0;
  }
  switch (op) {
    case Op::kAdd:
      overflow = __builtin_add_overflow(a, b, &out);
      break;
    case Op::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &out);
      break;
    case Op::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &out);
      break;
    case Op::kFloorDivide:
      out = a / b - (a % b != 0 && (a % b < 0) != (b < 0) ? 1 : 0);
      break;
    case Op::kModulo:  // the sign of the divisor, as in Python
      out = a % b;
      if (out != 0 && (out < 0) != (b < 0)) out += b;
      break;
    default: {  // kPower; beyond 64 factors only 0, 1 and -1 do not overflow
      if (b > 64) b = a == -1 ? b % 2 : a == 0 || a == 1 ? 1 : 64;
      out = 1;
      for (; b > 0 && !overflow; --b) overflow = __builtin_mul_overflow(out, a, &out);
    }
  }
  if (overflow) error("an integer does not fit 64 bits");
  return out;
}

Value Interpreter::float_arithmetic(Op op, double a, double b) {
  const bool divides = op == Op::kDivide || op == Op::kFloorDivide || op == Op::kModulo;
  if (divides && b == 0) error("division by zero");
  switch (op) {
    case Op::kAdd:
      return a + b;
    case Op::kSubtract:
      return a - b;
    case Op::kMultiply:
      return a * b;
    case Op::kDivide:
      return a / b;
    case Op::kFloorDivide:
      return std::floor(a / b);
    case Op::kModulo: {
      const double m = std::fmod(a, b);
      return m != 0 && (m < 0) != (b < 0) ? m + b : m;
    }
    default: {
      if (a == 0 && b < 0) error("0 to a negative power");
      const double power = std::pow(a, b);
      // Python's are complex, or too large.
      const bool real = std::isfinite(power) || !std::isfinite(a) || !std::isfinite(b);
      if (!real) error("a power that is no number");
      return power;
    }
  }
}

Value Interpreter::add(const Value& a, const Value& b) {
  if (a.list() != nullptr && b.list() != nullptr && !a.range() && !b.range() &&
      a.list()->tuple == b.list()->tuple) {
    Values items = a.list()->items;
    charge_items(items.size() + b.list()->items.size());
    items.insert(items.end(), b.list()->items.begin(), b.list()->items.end());
    return make_list(std::move(items), a.list()->tuple);
  }
  for (const Value* v : {&a, &b}) {
    if (v->is_undefined()) error(fmt::format("'{}' is undefined", v->undefined_name()));
  }
  error(fmt::format("'+' of values of type {} and {}", a.type_name(), b.type_name()));
}

Value Interpreter::repeat(const Value& value, int64_t times) {
  const auto count = static_cast<uint64_t>(std::max<int64_t>(times, 0));
  if (const Str* s = value.str()) {
    if (s->size() > 0 && count > limits_.output_bytes / s->size())
      error("a repeated text is too long");
    charge_bytes(s->size() * count);
    Str out;
    for (uint64_t i = 0; i < count && s->size() > 0; ++i) out.append(*s);
    return out;
  }
  if (const List* list = value.list(); list != nullptr && !value.range()) {
    if (!list->items.empty() && count > limits_.output_bytes / list->items.size()) {
      error("a repeated list is too long");
    }
    charge_items(list->items.size() * count);
    Values items;
    for (uint64_t i = 0; i < count && !list->items.empty(); ++i) {
      items.insert(items.end(), list->items.begin(), list->items.end());
    }
    return make_list(std::move(items), list->tuple);
  }
  error(fmt::format("'*' of a {} and an integer", value.type_name()));
}

Value Interpreter::eval_concat(const Expr& e) {
  Str out;
  for (const ExprPtr& arg : e.args) {
    const Str part = to_str(eval(*arg));
    charge_bytes(out.size() + part.size());
    out.append(part);
  }
  return out;
}

Value Interpreter::eval_attribute(const Expr& e) {
  const Value object = eval(*e.args[0]);
  if (object.is_undefined()) error(fmt::format("'{}' is undefined", object.undefined_name()));
  if (object.dict() != nullptr) charge_items(object.dict()->items.size() / 16);
  if (has_method(object, e.name)) {
    auto method = std::make_shared<Callable>();
    method->name = e.name;
    method->self = object;
    return std::shared_ptr<const Callable>(std::move(method));
  }
  return attribute(object, e.name);
}

Value Interpreter::eval_call(const Expr& e) {
  const Value callee = eval(*e.args[0]);
  const Arguments args = eval_arguments(e);
  line_ = e.line;
  return call(callee, args);
}

Value Interpreter::call(const Value& callee, const Arguments& args) {
  if (const Loop* loop = callee.loop()) return call_loop(*loop, args);
  const Callable* callable = callee.callable();
  if (callable == nullptr) {
    if (callee.is_undefined()) error(fmt::format("'{}' is undefined", callee.undefined_name()));
    error(fmt::format("a {} cannot be called", callee.type_name()));
  }
  if (callable->macro != nullptr) return call_macro(*callable, args);
  if (callable->self.is_undefined()) return call_function(*this, callable->name, args);
  return call_method(*this, callable->self, callable->name, args);
}

Value Interpreter::eval_slice(const Expr& e) {
  const Value object = eval(*e.args[0]);
  Value bounds[3];
  for (int i = 0; i < 3; ++i) {
    bounds[i] = e.args[i + 1] == nullptr ? Value(None{}) : eval(*e.args[i + 1]);
  }
  return slice(*this, object, bounds[0], bounds[1], bounds[2]);
}

Arguments Interpreter::eval_arguments(const Expr& e) {
  Arguments args;
  for (size_t i = 1; i < e.args.size(); ++i) args.positional.push_back(eval(*e.args[i]));
  for (const auto& [name, expr] : e.keywords) args.keywords.emplace_back(name, eval(*expr));
  return args;
}

}  // namespace ingot::jinja
