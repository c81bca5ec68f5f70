// links: text
// What strangers ask of an answer: refused with Error, or compiled. Then something may always come
// next, the matcher takes what its mask lets through and nothing else, and goes back.
#include <algorithm>

#include "base/check.h"
#include "fuzz/parsed.h"
#include "text/grammar.h"
#include "text/test_vocabularies.h"

namespace ingot {
namespace {

using Result = GrammarMatcher::Result;

GrammarLimits small_limits() {
  GrammarLimits limits;
  limits.max_text_bytes = 4096;
  limits.max_rule_bytes = size_t{64} << 10;
  limits.max_steps = 500'000;
  limits.max_accept_steps = 20'000;
  limits.max_mask_steps = 500'000;
  limits.max_states = 500;
  limits.max_kept_states = 20'000;
  return limits;
}

void match(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  GrammarMatcher matcher(grammar);
  const GrammarVocabulary& vocabulary = grammar->vocabulary();
  std::vector<uint32_t> bits(vocabulary.mask_words());
  for (size_t i = 0; i < 12; ++i) {
    const Result masked = matcher.mask(bits);
    if (masked != Result::kOk) {
      CHECK(masked == Result::kFault);
      return;
    }
    // From a place that the text tells: the first token allowed, and one that is not.
    int32_t good = -1, bad = -1;
    const auto size = static_cast<size_t>(vocabulary.size());
    const size_t begin = static_cast<unsigned char>(text[i * 7 % text.size()]) % size;
    for (size_t k = 0; k < size; ++k) {
      const size_t id = (begin + k) % size;
      int32_t& found = (bits[id / 32] >> (id % 32) & 1) != 0 ? good : bad;
      if (found < 0) found = static_cast<int32_t>(id);
    }
    CHECK(good >= 0);
    if (bad >= 0) CHECK(matcher.accept(bad) != Result::kOk);
    const bool back = i % 3 == 1;
    for (int times = back ? 2 : 1; times > 0; --times) {
      const Result taken = matcher.accept(good);
      if (taken == Result::kFault) return;
      CHECK(taken == Result::kOk);
      if (times == 2) CHECK(matcher.rollback(1) == Result::kOk);
    }
    if (matcher.terminated()) return;
  }
}

}  // namespace
}  // namespace ingot

// The first byte is the kind, '0' to '6', the rest its text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ingot;
  if (size < 2) return 0;
  static const auto vocabulary = GrammarVocabulary::create(*byte_level_tokenizer(), {261});
  const auto kind = static_cast<GrammarKind>((data[0] + 7 * 256 - '0') % 7);
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    const auto grammar = Grammar::compile(vocabulary, {kind, text}, small_limits());
    fuzz_parsed();
    match(grammar, text);
  } catch (const Error&) {
  }
  return 0;
}
