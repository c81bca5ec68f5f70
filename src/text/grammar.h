// What a model may write: a grammar compiled for a vocabulary, and matchers that say token by token
// what may come next. XGrammar's core does the matching; its types stay in grammar.cc.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace ingot {

enum class GrammarKind : uint8_t {
  kJsonSchema,      // text: a JSON Schema; grammar/schema_check.h says what is refused
  kJsonObject,      // any JSON object; no text
  kRegex,           // ECMAScript; the whole answer matches
  kChoice,          // a JSON list of strings, of which the answer is one
  kEbnf,            // rules (spelled as grammar/ebnf_parser.h says); the answer is of `root`
  kStructuralTags,  // JSON: {"structures": [{"begin", "schema", "end"}, ...], "triggers": [...]}:
                    // any text, in which a trigger must go on as a structure
  kCalls,           // JSON: {"structures": [{"begin", "schema", "end"}, ...], "separator": "\n",
                    // "most": 0, "open": "", "close": ""}: one structure (most: 1), or any number
                    // of them (0, or absent) with the separator between; nothing around them but
                    // open before all and close behind. "answer": the text of a JSON Schema, of
                    // which a value may stand in place of all that. "text": ["{", ...]: so may any
                    // text that begins, white space left aside, with none of these. "members" of a
                    // structure: its values are objects whose members are spelled as {"begin",
                    // "middle", "end", "separator", "values": {"json", "text" or "either": [NAME]},
                    // "others", "names", "no_text", "no_either"} say (MemberSpelling)
};

struct GrammarSource {
  GrammarKind kind = GrammarKind::kJsonObject;
  std::string text;
};

struct GrammarLimits {
  size_t max_text_bytes = size_t{256} << 10;
  size_t max_rule_bytes = size_t{1} << 20;  // of the rules that the text becomes
  size_t max_bytes = size_t{64} << 20;      // of the grammar when it has been compiled
  // Until the rules are written, in steps of some 20 ns and in time on a core. What XGrammar makes
  // of them then has no end but that of `max_rule_bytes`: about 2 s at most.
  uint64_t max_steps = 50'000'000;
  std::chrono::milliseconds max_time{5000};
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  // Of a matcher, in the parser's steps (10 to 60 ns each): for one accept(); for masks, of which
  // the first ones at a place of a grammar take most: so many at the start, and each mask gives
  // back a 64th. Then the parser's states at one place of an answer, and those that it keeps.
  uint64_t max_accept_steps = 500'000;
  uint64_t max_mask_steps = 100'000'000;
  size_t max_states = 4096;
  uint64_t max_kept_states = 2'000'000;
};

// A tokenizer's tokens in the order that compiling needs. Immutable, thread safe; some MB and some
// 100 ms for a large vocabulary, so one a model.
class GrammarVocabulary {
 public:
  // `ends`: tokens that end an answer, at least one. `vocab_size`: how many logits the model has,
  // where that is not the tokenizer's number of tokens (-1: it is); ids that one of the two lacks
  // are never allowed. `marks`: control tokens that stand for their spelling. Error
  // {kInvalidArgument} for ends outside the vocabulary.
  static std::shared_ptr<const GrammarVocabulary> create(const Tokenizer& tokenizer,
                                                         std::vector<int32_t> ends,
                                                         int32_t vocab_size = -1,
                                                         const std::vector<int32_t>& marks = {});
  ~GrammarVocabulary();
  int32_t size() const;
  // Words of 32 bits that a mask has.
  size_t mask_words() const { return (static_cast<size_t>(size()) + 31) / 32; }

  struct State;
  const State& state() const { return *state_; }

 private:
  GrammarVocabulary() = default;
  std::unique_ptr<const State> state_;
};

// Thread safe; what it allows never changes.
class Grammar {
 public:
  // Error{kInvalidArgument}: the text is none of its kind; Error{kUnsupported}: it cannot be
  // enforced, or is over a limit; Error{kOutOfMemory}.
  static std::shared_ptr<const Grammar> compile(
      const std::shared_ptr<const GrammarVocabulary>& vocabulary, const GrammarSource& source,
      const GrammarLimits& limits = {});
  ~Grammar();
  // About, without the vocabulary. It grows: the tokens that may follow a state are worked out when
  // a matcher first gets there (up to 50 ms for a large vocabulary) and kept.
  size_t bytes() const;
  const GrammarVocabulary& vocabulary() const { return *vocabulary_; }

  struct State;
  const State& state() const { return *state_; }

 private:
  Grammar() = default;
  std::shared_ptr<const GrammarVocabulary> vocabulary_;
  std::unique_ptr<const State> state_;
};

// The rules, in XGrammar's syntax, that `source` becomes; the first of them is `root`. Errors as
// Grammar::compile().
std::string grammar_rules(const GrammarSource& source, const GrammarLimits& limits = {});

// Where one answer stands in a grammar. Not thread safe. Once made, nothing of it throws.
class GrammarMatcher {
 public:
  enum class Result : uint8_t {
    kOk,
    kRefused,  // the token may not stand here, or there is nothing to go back to; nothing changed
    kFault,    // no memory, a fault of the library, or more to do than the grammar's limits allow:
               // the answer cannot go on, and all that is asked later is a fault too
  };
  // Error{kInternal} when it cannot begin.
  explicit GrammarMatcher(std::shared_ptr<const Grammar> grammar);
  ~GrammarMatcher();
  GrammarMatcher(GrammarMatcher&&) noexcept;

  // Takes the next token. Control tokens are refused, but for the end tokens where the grammar lets
  // the answer end.
  Result accept(int32_t token) noexcept;
  // Sets the bits of the tokens that may come next (bit i % 32 of word i / 32) and clears all
  // others; `bits` has mask_words() words or more. kRefused after the end.
  Result mask(std::span<uint32_t> bits) noexcept;
  // Whether an end token was accepted.
  bool terminated() const noexcept;
  // Whether an end token could come next.
  bool can_end() const noexcept;
  // Takes back the last `tokens` that were accepted.
  Result rollback(int tokens) noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Error{kUnsupported}: no answer can begin, since the grammar is over its limits at once or no
// token begins a text of it. What it works out stays with the grammar.
void check_start(const std::shared_ptr<const Grammar>& grammar);

}  // namespace ingot
