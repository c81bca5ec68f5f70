#include "text/grammar.h"

#include <dlpack/dlpack.h>
#include <fmt/format.h>
#include <xgrammar/xgrammar.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "base/error.h"
#include "text/grammar/work_budget.h"

namespace ingot {
namespace {

// What the parser adds for the matcher that this thread serves.
struct ParserRows {
  size_t max_states;
  uint64_t kept = 0;
};
thread_local ParserRows* parser_rows = nullptr;

}  // namespace
}  // namespace ingot

// XGrammar reports by these (cmake/xgrammar.cmake), under its own names.
// NOLINTBEGIN(readability-identifier-naming)
namespace xgrammar {

// Before so many steps of the parser.
void IngotParserWork(size_t steps) { ingot::spend_work(steps); }

// Before it keeps the states of one place, and what waits there for a rule's end.
void IngotParserRow(size_t states, size_t parents) {
  ingot::ParserRows* rows = ingot::parser_rows;
  if (rows == nullptr) return;
  if (states > rows->max_states) throw std::length_error("too many states");
  rows->kept += states + parents;
}

[[noreturn]] void LogFatalImpl(const std::string& /*file*/, int /*line*/,
                               const std::string& message) {
  throw std::runtime_error(message);
}
void LogMessageImpl(const std::string& /*file*/, int /*line*/, int /*level*/,
                    const std::string& /*message*/) {}

}  // namespace xgrammar
// NOLINTEND(readability-identifier-naming)

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
constexpr uint64_t kMaskShare = 64;                     // of its steps that a mask gives back
constexpr int64_t kRuleCacheBytes = int64_t{64} << 20;  // a third of what XGrammar is told

}  // namespace

struct GrammarVocabulary::State {
  State(xgrammar::TokenizerInfo tokens, std::vector<uint32_t> mask, std::vector<int32_t> end_ids)
      : info(std::move(tokens)),
        compiler(info, /*max_threads=*/1, /*cache_enabled=*/true, kRuleCacheBytes * 3,
                 /*enable_dynamic_compilation=*/true),
        allowed(std::move(mask)),
        ends(std::move(end_ids)) {}
  xgrammar::TokenizerInfo info;
  // Thread safe. It works out a state's mask when a matcher first gets there, and keeps those of
  // rules that other grammars have too.
  mutable xgrammar::GrammarCompiler compiler;
  std::vector<uint32_t> allowed;  // tokens with text, and the end tokens
  std::vector<int32_t> ends;
};

struct Grammar::State {
  State(xgrammar::CompiledGrammar grammar, const GrammarLimits& bounds)
      : compiled(std::move(grammar)), limits(bounds) {}
  xgrammar::CompiledGrammar compiled;
  GrammarLimits limits;
};

struct GrammarMatcher::State {
  State(std::shared_ptr<const Grammar> owner, const xgrammar::CompiledGrammar& compiled)
      : grammar(std::move(owner)),
        matcher(compiled),
        mask_steps(grammar->state().limits.max_mask_steps) {}
  const GrammarVocabulary::State& vocabulary() const { return grammar->vocabulary().state(); }
  const GrammarLimits& limits() const { return grammar->state().limits; }
  std::shared_ptr<const Grammar> grammar;
  xgrammar::GrammarMatcher matcher;
  std::vector<uint64_t> kept;  // states of each accepted token
  uint64_t all_kept = 0;
  uint64_t mask_steps;  // left
  bool broken = false;  // the parser was stopped, or threw: what it holds means nothing
};

namespace {

// Stops the parser when it does more than one call may.
class ParserLimit {
 public:
  ParserLimit(uint64_t steps, size_t states) : budget_(steps), rows_{states} {
    parser_rows = &rows_;
  }
  ~ParserLimit() { parser_rows = nullptr; }
  ParserLimit(const ParserLimit&) = delete;
  ParserLimit& operator=(const ParserLimit&) = delete;
  uint64_t kept() const { return rows_.kept; }
  uint64_t spent() const { return budget_.spent(); }

 private:
  WorkBudget budget_;
  ParserRows rows_;
};

}  // namespace

std::shared_ptr<const GrammarVocabulary> GrammarVocabulary::create(
    const Tokenizer& tokenizer, std::vector<int32_t> ends, int32_t vocab_size,
    const std::vector<int32_t>& marks) {
  const int32_t size = vocab_size < 0 ? tokenizer.vocab_size() : vocab_size;
  if (ends.empty()) fail(ErrorCode::kInvalidArgument, kWhere, "no token ends an answer");
  std::vector<std::string> tokens(static_cast<size_t>(size));
  std::vector<uint32_t> allowed((static_cast<size_t>(size) + 31) / 32);
  const auto allow = [&](int32_t id) {
    allowed[static_cast<size_t>(id) / 32] |= 1U << (static_cast<uint32_t>(id) % 32);
  };
  const int32_t known = std::min(size, tokenizer.vocab_size());
  for (int32_t id = 0; id < known; ++id) {
    const bool mark = std::ranges::find(marks, id) != marks.end();
    if (tokenizer.is_control(id) && !mark) continue;
    const std::string_view bytes = mark ? tokenizer.token_text(id) : tokenizer.token_bytes(id);
    if (bytes.empty()) continue;
    tokens[static_cast<size_t>(id)] = bytes;
    allow(id);
  }
  for (const int32_t id : ends) {
    if (id < 0 || id >= known) {
      fail(ErrorCode::kInvalidArgument, kWhere, "end token {} is not in the vocabulary of {}", id,
           known);
    }
    allow(id);
  }
  std::shared_ptr<GrammarVocabulary> vocabulary(new GrammarVocabulary());
  vocabulary->state_ = std::make_unique<const State>(
      xgrammar::TokenizerInfo(tokens, xgrammar::VocabType::RAW, size, ends), std::move(allowed),
      std::move(ends));
  return vocabulary;
}

GrammarVocabulary::~GrammarVocabulary() = default;

int32_t GrammarVocabulary::size() const { return state_->info.GetVocabSize(); }

std::shared_ptr<const Grammar> Grammar::compile(
    const std::shared_ptr<const GrammarVocabulary>& vocabulary, const GrammarSource& source,
    const GrammarLimits& limits) {
  const std::string rules = grammar_rules(source, limits);
  std::shared_ptr<Grammar> grammar(new Grammar());
  grammar->vocabulary_ = vocabulary;
  try {
    grammar->state_ =
        std::make_unique<const State>(vocabulary->state().compiler.CompileGrammar(rules), limits);
  } catch (const std::bad_alloc&) {
    fail(ErrorCode::kOutOfMemory, kWhere, "no memory to compile the grammar");
  } catch (const std::exception& error) {  // rules of our own are never at fault
    fail(ErrorCode::kUnsupported, kWhere, "the grammar does not compile: {}", error.what());
  }
  if (grammar->bytes() > limits.max_bytes) {
    fail(ErrorCode::kUnsupported, kWhere, "the compiled grammar has {} bytes; at most {} are kept",
         grammar->bytes(), limits.max_bytes);
  }
  return grammar;
}

Grammar::~Grammar() = default;

size_t Grammar::bytes() const { return state_->compiled.MemorySizeBytes(); }

GrammarMatcher::GrammarMatcher(std::shared_ptr<const Grammar> grammar) {
  try {
    const GrammarLimits& limits = grammar->state().limits;
    const ParserLimit limit(limits.max_accept_steps, limits.max_states);
    const xgrammar::CompiledGrammar& compiled = grammar->state().compiled;
    state_ = std::make_unique<State>(std::move(grammar), compiled);
  } catch (const Error&) {
    throw;
  } catch (const std::length_error& error) {
    fail(ErrorCode::kUnsupported, kWhere, "the grammar is too complex: {} at its start",
         error.what());
  } catch (const std::exception& error) {
    fail(ErrorCode::kInternal, kWhere, "a matcher cannot begin: {}", error.what());
  }
}

GrammarMatcher::~GrammarMatcher() = default;
GrammarMatcher::GrammarMatcher(GrammarMatcher&&) noexcept = default;

GrammarMatcher::Result GrammarMatcher::accept(int32_t token) noexcept try {
  const GrammarVocabulary::State& vocabulary = state_->vocabulary();
  if (state_->broken) return Result::kFault;
  if (token < 0 || token >= vocabulary.info.GetVocabSize() || terminated()) return Result::kRefused;
  const uint32_t word = vocabulary.allowed[static_cast<size_t>(token) / 32];
  if ((word >> (static_cast<uint32_t>(token) % 32) & 1) == 0) return Result::kRefused;
  const GrammarLimits& limits = state_->limits();
  const ParserLimit limit(limits.max_accept_steps, limits.max_states);
  state_->kept.push_back(0);
  if (!state_->matcher.AcceptToken(token)) {
    state_->kept.pop_back();
    return Result::kRefused;
  }
  state_->kept.back() = limit.kept();
  state_->all_kept += limit.kept();
  state_->broken = state_->all_kept > limits.max_kept_states;
  return state_->broken ? Result::kFault : Result::kOk;
} catch (...) {
  state_->broken = true;
  return Result::kFault;
}

GrammarMatcher::Result GrammarMatcher::mask(std::span<uint32_t> bits) noexcept try {
  const GrammarVocabulary::State& vocabulary = state_->vocabulary();
  const size_t words = vocabulary.allowed.size();
  if (state_->broken) return Result::kFault;
  if (bits.size() < words || terminated()) return Result::kRefused;
  int64_t shape = static_cast<int64_t>(words);
  int64_t stride = 1;
  DLTensor tensor{};
  tensor.data = bits.data();
  tensor.device = {kDLCPU, 0};
  tensor.ndim = 1;
  tensor.dtype = {kDLInt, 32, 1};
  tensor.shape = &shape;
  tensor.strides = &stride;
  const GrammarLimits& limits = state_->limits();
  const ParserLimit limit(state_->mask_steps, limits.max_states);
  state_->matcher.FillNextTokenBitmask(&tensor);
  const uint64_t left = state_->mask_steps - limit.spent() + limits.max_mask_steps / kMaskShare;
  state_->mask_steps = std::min(left, limits.max_mask_steps);
  for (size_t i = 0; i < words; ++i) bits[i] &= vocabulary.allowed[i];
  std::fill(bits.begin() + static_cast<ptrdiff_t>(words), bits.end(), 0U);
  return Result::kOk;
} catch (...) {
  state_->broken = true;
  return Result::kFault;
}

// The two only read flags.
bool GrammarMatcher::terminated() const noexcept { return state_->matcher.IsTerminated(); }

bool GrammarMatcher::can_end() const noexcept {
  return !state_->broken && !terminated() && state_->matcher.IsCompleted();
}

GrammarMatcher::Result GrammarMatcher::rollback(int tokens) noexcept try {
  if (state_->broken) return Result::kFault;
  if (tokens < 0 || static_cast<size_t>(tokens) > state_->kept.size()) return Result::kRefused;
  state_->matcher.Rollback(tokens);
  const auto first = state_->kept.end() - tokens;
  state_->all_kept -= std::accumulate(first, state_->kept.end(), uint64_t{0});
  state_->kept.erase(first, state_->kept.end());
  return Result::kOk;
} catch (...) {
  state_->broken = true;
  return Result::kFault;
}

void check_start(const std::shared_ptr<const Grammar>& grammar) {
  GrammarMatcher start(grammar);
  std::vector<uint32_t> bits(grammar->vocabulary().mask_words());
  if (start.mask(bits) != GrammarMatcher::Result::kOk) {
    fail(ErrorCode::kUnsupported, kWhere, "the grammar is too complex: too much may stand first");
  }
  if (std::ranges::all_of(bits, [](uint32_t word) { return word == 0; })) {
    fail(ErrorCode::kUnsupported, kWhere, "no token of the model begins a text of the grammar");
  }
}

}  // namespace ingot
