// Statements, scopes and limits.
#include "text/jinja/interpreter.h"

#include <algorithm>
#include <chrono>
#include <ctime>

namespace ingot::jinja {
namespace {

// Bytes copied that cost a step: 10^6 steps move 256 MB.
constexpr size_t kBytesPerStep = 256;

// Of this thread, so that a busy machine does not shorten what a template may do.
int64_t cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * INT64_C(1'000'000'000) + now.tv_nsec;
}

}  // namespace

struct Interpreter::Scope {
  explicit Scope(Interpreter& host) : host_(host), size_(host.frames_.size()) {
    host.frames_.emplace_back();
  }
  ~Scope() { host_.frames_.resize(size_); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Interpreter& host_;
  size_t size_;
};

struct Interpreter::Level {
  explicit Level(Interpreter& host) : host_(host) {
    if (++host.recursion_ > kMaxRecursion) {
      --host.recursion_;
      host.error(fmt::format("calls nest deeper than {}", kMaxRecursion));
    }
  }
  ~Level() { --host_.recursion_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  Interpreter& host_;
};

Interpreter::Interpreter(std::string_view name, const TemplateLimits& limits, int64_t now_unix_s)
    : name_(name), limits_(limits), now_(now_unix_s), begin_ns_(cpu_ns()), frames_(1) {}

Interpreter::~Interpreter() {
  // Namespaces are the one thing that can form a ring.
  frames_.clear();
  for (const auto& ns : namespaces_) ns->items.clear();
}

void Interpreter::define(std::string_view name, Value value) {
  frames_[0].emplace_back(name, std::move(value));
}

Str Interpreter::run(const Body& body) {
  Str out;
  out_ = &out;
  try {
    exec_body(body);
  } catch (const ValueError& e) {
    error(e.reason);
  }
  return out;
}

void Interpreter::charge(int64_t steps) {
  steps_ += steps;
  if (steps_ > limits_.steps) error(fmt::format("more than {} steps", limits_.steps));
  if (steps_ >= next_time_check_) {
    next_time_check_ = steps_ + 256;
    if (cpu_ns() - begin_ns_ > limits_.time_ms * 1'000'000) {
      error(fmt::format("more than {} ms", limits_.time_ms));
    }
  }
}

void Interpreter::charge_bytes(size_t bytes) {
  if (bytes > limits_.output_bytes) {
    error(fmt::format("a text of {} bytes, the most is {}", bytes, limits_.output_bytes));
  }
  charge(static_cast<int64_t>(bytes / kBytesPerStep) + 1);
}

int64_t Interpreter::now_unix_s() const {
  if (now_ >= 0) return now_;
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Interpreter::Flow Interpreter::exec_body(const Body& body) {
  for (const auto& statement : body) {
    const Flow flow = exec(*statement);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::exec(const Statement& s) {
  const Level level(*this);
  line_ = s.line;
  charge(1);
  switch (s.kind) {
    case StatementKind::kData:
      emit(Str(s.text));
      return Flow::kNormal;
    case StatementKind::kOutput:
      emit(to_str(eval(*s.expr)));
      return Flow::kNormal;
    case StatementKind::kIf:
      for (const Branch& branch : s.branches) {
        if (branch.condition == nullptr || eval(*branch.condition).truthy()) {
          return exec_body(branch.body);
        }
      }
      return Flow::kNormal;
    case StatementKind::kFor:
      return exec_for(s, eval(*s.expr), 1);
    case StatementKind::kSet:
      exec_set(s);
      return Flow::kNormal;
    case StatementKind::kSetBlock:
      assign(s.targets[0], filter_block(s, capture(s.body)));
      return Flow::kNormal;
    case StatementKind::kMacro:
      assign(s.text, make_macro(s));
      return Flow::kNormal;
    case StatementKind::kCall:
      exec_call(s);
      return Flow::kNormal;
    case StatementKind::kFilterBlock:
      emit(to_str(filter_block(s, capture(s.body))));
      return Flow::kNormal;
    case StatementKind::kWith: {
      Frame frame;
      for (size_t i = 0; i < s.targets.size(); ++i) {
        frame.emplace_back(s.targets[i], eval(*s.defaults[i]));
      }
      const Scope scope(*this);
      frames_.back() = std::move(frame);
      return exec_body(s.body);
    }
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
    case StatementKind::kGroup:
      return exec_body(s.body);
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::exec_for(const Statement& s, const Value& source, int64_t level) {
  Values items = members(*this, source, "a loop");
  if (s.condition != nullptr) {
    Values kept;
    for (Value& item : items) {
      charge(1);
      const Scope scope(*this);
      assign_targets(s.targets, item);
      if (eval(*s.condition).truthy()) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  if (items.empty()) return exec_body(s.otherwise);
  const auto changes = std::make_shared<std::string>();
  for (size_t i = 0; i < items.size(); ++i) {
    line_ = s.line;
    charge(1);
    const Scope scope(*this);
    auto loop = std::make_shared<Loop>();
    loop->index0 = static_cast<int64_t>(i);
    loop->length = static_cast<int64_t>(items.size());
    loop->level = level;
    loop->recursive = s.recursive ? &s : nullptr;
    loop->last = changes;
    if (i > 0) loop->previous = items[i - 1];
    if (i + 1 < items.size()) loop->next = items[i + 1];
    loop->depth = 1 + std::max(loop->previous.depth(), loop->next.depth());
    check_depth(loop->depth);
    frames_.back().emplace_back("loop", std::shared_ptr<const Loop>(std::move(loop)));
    assign_targets(s.targets, items[i]);
    if (exec_body(s.body) == Flow::kBreak) break;
  }
  return Flow::kNormal;
}

void Interpreter::exec_set(const Statement& s) {
  Value value = eval(*s.expr);
  if (s.attribute.empty()) return assign_targets(s.targets, value);
  Value* object = lookup(s.targets[0]);
  Namespace* ns = object == nullptr ? nullptr : object->ns();
  if (ns == nullptr) {
    error(fmt::format("'{}' is not a namespace, so that '{}' cannot be set", s.targets[0],
                      s.attribute));
  }
  if (Value* old = ns->find(s.attribute)) {
    *old = std::move(value);
  } else {
    ns->items.emplace_back(s.attribute, std::move(value));
  }
}

// A macro sees the variables of the top level as they are when it runs, and those of the blocks
// around it as they were when it was made.
Value Interpreter::make_macro(const Statement& s) {
  auto callable = std::make_shared<Callable>();
  callable->macro = &s;
  callable->name = s.text;
  for (size_t i = std::max<size_t>(base_, 1); i < frames_.size(); ++i) {
    charge_items(frames_[i].size());
    for (const auto& [name, value] : frames_[i]) {
      callable->depth = std::max(callable->depth, 1 + value.depth());
      callable->around.emplace_back(name, value);
    }
  }
  check_depth(callable->depth);
  return std::shared_ptr<const Callable>(std::move(callable));
}

void Interpreter::exec_call(const Statement& s) {
  const Value callee = eval(*s.expr->args[0]);
  Arguments args = eval_arguments(*s.expr);
  const Callable* callable = callee.callable();
  if (callable == nullptr || callable->macro == nullptr) error("'call' needs a macro");
  args.keywords.emplace_back("caller", make_macro(s));
  emit(to_str(call_macro(*callable, args)));
}

// The arguments that no parameter takes.
void Interpreter::bind_rest(const Statement& macro, const Arguments& args) {
  const size_t named = macro.targets.size();
  if (args.positional.size() > named && !macro.uses.varargs) {
    error(fmt::format("macro '{}' takes {} arguments, {} were given", macro.text, named,
                      args.positional.size()));
  }
  Values rest;
  for (size_t i = named; i < args.positional.size(); ++i) rest.push_back(args.positional[i]);
  Pairs keywords;
  Value caller;
  for (const auto& [name, value] : args.keywords) {
    if (std::find(macro.targets.begin(), macro.targets.end(), name) != macro.targets.end())
      continue;
    if (name == "caller" && macro.uses.caller) {
      caller = value;
    } else if (macro.uses.kwargs && name != "caller") {
      keywords.emplace_back(make_text(name), value);
    } else {
      error(fmt::format("macro '{}' has no parameter '{}'", macro.text, name));
    }
  }
  Frame& frame = frames_.back();
  if (macro.uses.varargs) frame.emplace_back("varargs", make_list(std::move(rest), true));
  if (macro.uses.kwargs) frame.emplace_back("kwargs", make_dict(std::move(keywords)));
  if (macro.uses.caller && macro.text != "caller") frame.emplace_back("caller", std::move(caller));
}

Value Interpreter::call_macro(const Callable& callable, const Arguments& args) {
  const Statement& macro = *callable.macro;
  if (++macro_depth_ > limits_.depth)
    error(fmt::format("macros nest deeper than {}", limits_.depth));
  const size_t outer_base = base_;
  const int line = line_;
  const Scope scope(*this);
  base_ = frames_.size() - 1;
  charge_items(callable.around.size());
  frames_.back() = callable.around;
  bind_rest(macro, args);
  const size_t first_default = macro.targets.size() - macro.defaults.size();
  for (size_t i = 0; i < macro.targets.size(); ++i) {
    Value value = args.get(i, macro.targets[i]);
    const bool given = i < args.positional.size() || !value.is_undefined();
    if (!given && i >= first_default) value = eval(*macro.defaults[i - first_default]);
    if (value.is_undefined()) value = Undefined{macro.targets[i]};
    frames_.back().emplace_back(macro.targets[i], std::move(value));
  }
  Str text = capture(macro.body);
  base_ = outer_base;
  line_ = line;
  --macro_depth_;
  return text;
}

Value Interpreter::call_loop(const Loop& loop, const Arguments& args) {
  if (loop.recursive == nullptr) error("a loop that is not recursive cannot be called");
  if (args.size() != 1) error("a loop is called with what it shall run over");
  if (++macro_depth_ > limits_.depth)
    error(fmt::format("loops nest deeper than {}", limits_.depth));
  const Statement& s = *loop.recursive;
  const int64_t level = loop.level + 1;
  const int line = line_;
  Str text;
  Str* const outer = std::exchange(out_, &text);
  exec_for(s, args.get(0, "iterable"), level);
  out_ = outer;
  line_ = line;
  --macro_depth_;
  return text;
}

void Interpreter::emit(const Str& text) {
  charge_bytes(text.size());
  if (text.size() > limits_.output_bytes - std::min(out_->size(), limits_.output_bytes)) {
    error(fmt::format("more than {} bytes of output", limits_.output_bytes));
  }
  out_->append(text);
}

Str Interpreter::capture(const Body& body) {
  Str text;
  Str* const outer = std::exchange(out_, &text);
  const Scope scope(*this);
  exec_body(body);
  out_ = outer;
  return text;
}

Value Interpreter::filter_block(const Statement& s, Str text) {
  if (s.expr == nullptr) return text;
  const Scope scope(*this);
  frames_.back().emplace_back(kBlockText, Value(std::move(text)));
  return eval(*s.expr);
}

Value* Interpreter::lookup(std::string_view name) {
  const auto in_frame = [&](Frame& frame) -> Value* {
    for (auto it = frame.rbegin(); it != frame.rend(); ++it) {
      if (it->first == name) return &it->second;
    }
    return nullptr;
  };
  for (size_t i = frames_.size(); i > std::max<size_t>(base_, 1); --i) {
    if (Value* found = in_frame(frames_[i - 1])) return found;
  }
  return in_frame(frames_[0]);
}

// Names live in the tree or in the caller's variables, which outlive the rendering.
void Interpreter::assign(std::string_view name, Value value) {
  Frame& frame = frames_.back();
  const auto old = std::find_if(frame.rbegin(), frame.rend(),
                                [&](const auto& entry) { return entry.first == name; });
  if (old != frame.rend()) {
    old->second = std::move(value);
    return;
  }
  frames_.back().emplace_back(name, std::move(value));
}

void Interpreter::assign_targets(const std::vector<std::string>& targets, const Value& value) {
  if (targets.size() == 1) return assign(targets[0], value);
  const Values items = members(*this, value, "unpacking");
  if (items.size() != targets.size()) {
    error(fmt::format("{} values for {} names", items.size(), targets.size()));
  }
  for (size_t i = 0; i < targets.size(); ++i) assign(targets[i], items[i]);
}

}  // namespace ingot::jinja
