#pragma once

#include <string_view>
#include <vector>

#include "text/chat_template.h"
#include "text/jinja/ast.h"
#include "text/jinja/library.h"

namespace ingot::jinja {

// Statements and expressions inside each other; bounds the stack (about 1 KiB a level).
inline constexpr int kMaxRecursion = 400;

// Runs one rendering. Scopes: frame 0 holds the variables and what the top level sets; a loop, with
// block or macro adds a frame that goes when it ends. A macro sees its own frames and frame 0.
class Interpreter final : public Host {
 public:
  Interpreter(std::string_view name, const TemplateLimits& limits, int64_t now_unix_s);
  ~Interpreter() override;

  void define(std::string_view name, Value value);
  Str run(const Body& body);

  void charge_bytes(size_t bytes) override;
  void charge_items(size_t items) override { charge(static_cast<int64_t>(items) / 4 + 1); }
  std::string place() const override { return fmt::format("{}: line {}", name_, line_); }
  int64_t now_unix_s() const override;
  void own(std::shared_ptr<Namespace> ns) override { namespaces_.push_back(std::move(ns)); }

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  using Frame = std::vector<std::pair<std::string_view, Value>>;
  struct Scope;  // a frame for as long as it lives
  struct Level;  // one level of recursion

  void charge(int64_t steps);
  Flow exec_body(const Body& body);
  Flow exec(const Statement& s);
  Flow exec_for(const Statement& s, const Value& source, int64_t level);
  void exec_set(const Statement& s);
  Value make_macro(const Statement& s);
  void exec_call(const Statement& s);
  Value call_macro(const Callable& callable, const Arguments& args);
  void bind_rest(const Statement& macro, const Arguments& args);
  Value call_loop(const Loop& loop, const Arguments& args);
  Value call(const Value& callee, const Arguments& args);
  void emit(const Str& text);
  Str capture(const Body& body);
  Value filter_block(const Statement& s, Str text);

  Value* lookup(std::string_view name);
  void assign(std::string_view name, Value value);
  void assign_targets(const std::vector<std::string>& targets, const Value& value);

  Value eval(const Expr& e);
  Value eval_name(const Expr& e);
  Value eval_dict(const Expr& e);
  Value eval_compare(const Expr& e);
  bool compare_once(Op op, const Value& a, const Value& b);
  Value eval_arithmetic(const Expr& e);
  Value arithmetic(Op op, const Value& a, const Value& b);
  Value integer_arithmetic(Op op, int64_t a, int64_t b);
  Value float_arithmetic(Op op, double a, double b);
  Value add(const Value& a, const Value& b);
  Value repeat(const Value& text, int64_t times);
  Value eval_concat(const Expr& e);
  Value eval_attribute(const Expr& e);
  Value eval_call(const Expr& e);
  Value eval_slice(const Expr& e);
  Arguments eval_arguments(const Expr& e);
  Value concatenate(const Expr& e, size_t& i, const Str& first);

  std::string_view name_;
  TemplateLimits limits_;
  int64_t now_;
  int64_t begin_ns_;
  int64_t steps_ = 0;
  int64_t next_time_check_ = 0;
  int recursion_ = 0;
  int macro_depth_ = 0;
  int line_ = 1;
  std::vector<Frame> frames_;
  size_t base_ = 0;  // first frame of the running macro
  Str* out_ = nullptr;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace ingot::jinja
