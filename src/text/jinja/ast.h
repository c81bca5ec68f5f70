// The tree of a parsed template. Immutable once parsed. Internal to text/.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace ingot::jinja {

struct FilterDef;
struct TestDef;

enum class ExprKind {
  kConst,        // value
  kName,         // name
  kList,         // args
  kTuple,        // args
  kDict,         // args: key, value, key, value ...
  kNegate,       // args[0]
  kPlus,         // args[0]
  kNot,          // args[0]
  kAnd,          // args, two or more
  kOr,           // args, two or more
  kArithmetic,   // args[0] ops[0] args[1] ops[1] args[2] ... from the left
  kConcat,       // args
  kCompare,      // args[0] ops[0] args[1] and args[1] ops[1] args[2] ...
  kConditional,  // args: condition, then, else (may be absent)
  kAttribute,    // args[0].name
  kSubscript,    // args[0][args[1]]
  kSlice,        // args[0][args[1]:args[2]:args[3]], null where absent
  kCall,         // args[0](the other args, keywords)
  kFilter,       // args[0] | filter(the other args, keywords); null: there is none called `name`
  kTest,         // args[0] is test(the other args, keywords); the same
};

enum class Op {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Expr {
  ExprKind kind = ExprKind::kConst;
  int line = 1;
  int depth = 1;  // nesting of this subtree
  Value value;
  std::string name;
  std::vector<ExprPtr> args;
  std::vector<Op> ops;
  std::vector<std::pair<std::string, ExprPtr>> keywords;
  const FilterDef* filter = nullptr;
  const TestDef* test = nullptr;
};

enum class StatementKind {
  kData,         // text
  kOutput,       // expr
  kIf,           // branches
  kFor,          // targets in expr [if condition]: body, otherwise; recursive
  kSet,          // targets = expr; or name.attribute = expr
  kSetBlock,     // name, body, expr: a filter chain on kName "" or null
  kMacro,        // name, targets: parameters, defaults, body, uses
  kCall,         // expr, a call of a macro, with targets, defaults, body, uses as its `caller`
  kFilterBlock,  // body through expr, a filter chain on kName ""
  kWith,         // targets = defaults, body
  kBreak,
  kContinue,
  kGroup,  // body
};

// Names that a macro's body has looked at; without them it takes no more than its parameters.
struct SpecialNames {
  bool caller = false, varargs = false, kwargs = false;
};

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

struct Branch {
  ExprPtr condition;  // null: else
  Body body;
};

struct Statement {
  StatementKind kind = StatementKind::kData;
  int line = 1;
  std::string text;  // data, or the name
  std::string attribute;
  ExprPtr expr;
  ExprPtr condition;
  std::vector<std::string> targets;
  std::vector<ExprPtr> defaults;  // of the last parameters of a macro
  Body body;
  Body otherwise;
  std::vector<Branch> branches;
  bool recursive = false;
  SpecialNames uses;
};

// The name under which a filter chain of a block finds the block's text.
inline constexpr std::string_view kBlockText = "";

}  // namespace ingot::jinja
