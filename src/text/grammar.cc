#include "text/grammar.h"

#include <dlpack/dlpack.h>
#include <fmt/format.h>
#include <xgrammar/xgrammar.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"

// XGrammar reports by these (XGRAMMAR_LOG_CUSTOMIZE in cmake/xgrammar.cmake).
namespace xgrammar {

[[noreturn]] void LogFatalImpl(const std::string& /*file*/, int /*line*/,
                               const std::string& message) {
  throw std::runtime_error(message);
}
void LogMessageImpl(const std::string& /*file*/, int /*line*/, int /*level*/,
                    const std::string& /*message*/) {}

}  // namespace xgrammar

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
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
  explicit State(xgrammar::CompiledGrammar grammar) : compiled(std::move(grammar)) {}
  xgrammar::CompiledGrammar compiled;
};

struct GrammarMatcher::State {
  State(std::shared_ptr<const Grammar> owner, const xgrammar::CompiledGrammar& compiled)
      : grammar(std::move(owner)), matcher(compiled) {}
  const GrammarVocabulary::State& vocabulary() const { return grammar->vocabulary().state(); }
  std::shared_ptr<const Grammar> grammar;
  xgrammar::GrammarMatcher matcher;
  int accepted = 0;
};

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
  const Stopwatch watch;
  const std::string rules = grammar_rules(source, limits);
  std::shared_ptr<Grammar> grammar(new Grammar());
  grammar->vocabulary_ = vocabulary;
  try {
    grammar->state_ =
        std::make_unique<const State>(vocabulary->state().compiler.CompileGrammar(rules));
  } catch (const std::bad_alloc&) {
    fail(ErrorCode::kOutOfMemory, kWhere, "no memory to compile the grammar");
  } catch (const std::exception& error) {
    // Rules of our own are never at fault.
    const bool theirs = source.kind == GrammarKind::kEbnf;
    fail(theirs ? ErrorCode::kInvalidArgument : ErrorCode::kUnsupported, kWhere,
         "the grammar does not compile: {}", error.what());
  }
  if (grammar->bytes() > limits.max_bytes) {
    fail(ErrorCode::kUnsupported, kWhere, "the compiled grammar has {} bytes; at most {} are kept",
         grammar->bytes(), limits.max_bytes);
  }
  const auto took = std::chrono::milliseconds(static_cast<int64_t>(watch.ms()));
  if (took > limits.max_time) {
    fail(ErrorCode::kUnsupported, kWhere, "the grammar took {} ms to compile; at most {} are spent",
         took.count(), limits.max_time.count());
  }
  return grammar;
}

Grammar::~Grammar() = default;

size_t Grammar::bytes() const { return state_->compiled.MemorySizeBytes(); }

GrammarMatcher::GrammarMatcher(std::shared_ptr<const Grammar> grammar) {
  try {
    const xgrammar::CompiledGrammar& compiled = grammar->state().compiled;
    state_ = std::make_unique<State>(std::move(grammar), compiled);
  } catch (const std::exception& error) {
    fail(ErrorCode::kInternal, kWhere, "a matcher cannot begin: {}", error.what());
  }
}

GrammarMatcher::~GrammarMatcher() = default;
GrammarMatcher::GrammarMatcher(GrammarMatcher&&) noexcept = default;

GrammarMatcher::Result GrammarMatcher::accept(int32_t token) noexcept try {
  const GrammarVocabulary::State& vocabulary = state_->vocabulary();
  if (token < 0 || token >= vocabulary.info.GetVocabSize() || terminated()) return Result::kRefused;
  const uint32_t word = vocabulary.allowed[static_cast<size_t>(token) / 32];
  if ((word >> (static_cast<uint32_t>(token) % 32) & 1) == 0) return Result::kRefused;
  if (!state_->matcher.AcceptToken(token)) return Result::kRefused;
  ++state_->accepted;
  return Result::kOk;
} catch (...) {
  return Result::kFault;
}

GrammarMatcher::Result GrammarMatcher::mask(std::span<uint32_t> bits) noexcept try {
  const GrammarVocabulary::State& vocabulary = state_->vocabulary();
  const size_t words = vocabulary.allowed.size();
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
  state_->matcher.FillNextTokenBitmask(&tensor);
  for (size_t i = 0; i < words; ++i) bits[i] &= vocabulary.allowed[i];
  std::fill(bits.begin() + static_cast<ptrdiff_t>(words), bits.end(), 0U);
  return Result::kOk;
} catch (...) {
  return Result::kFault;
}

bool GrammarMatcher::terminated() const noexcept { return state_->matcher.IsTerminated(); }

bool GrammarMatcher::can_end() const noexcept {
  return !terminated() && state_->matcher.IsCompleted();
}

GrammarMatcher::Result GrammarMatcher::rollback(int tokens) noexcept try {
  if (tokens < 0 || tokens > state_->accepted) return Result::kRefused;
  state_->matcher.Rollback(tokens);
  state_->accepted -= tokens;
  return Result::kOk;
} catch (...) {
  return Result::kFault;
}

}  // namespace ingot
