// Normalizers: rewrite a stretch of text before it is split. Internal to text/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/pattern.h"

namespace ingot {

// Text whose bytes may carry a mark (untrusted). `marks` is empty (nothing marked) or has one byte,
// 0 or 1, for each byte of text.
struct MarkedText {
  std::string text;
  std::string marks;
  size_t limit = SIZE_MAX;  // most bytes of text; see normalize_text
  size_t step = 0;          // number of the step at work, for messages
};

// Immutable, thread safe. Every step is linear and carries the marks along.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(MarkedText& text) const = 0;
};

// Steps 'o' -> 'oo' double the text each: what the steps make of a text of n bytes is held below
// n * kMaxNormalizedGrowth + kMaxNormalizedExtra.
inline constexpr size_t kMaxNormalizedGrowth = 64;
inline constexpr size_t kMaxNormalizedExtra = size_t{1} << 20;

// Applies the steps in order. Error{kInvalidArgument} naming the step that passes the bound.
void normalize_text(const std::vector<std::unique_ptr<Normalizer>>& steps, MarkedText& text);

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

std::unique_ptr<Normalizer> make_prepend_normalizer(std::string prefix);  // empty text stays empty
std::unique_ptr<Normalizer> make_replace_normalizer(std::unique_ptr<Pattern> pattern,
                                                    std::string replacement);
std::unique_ptr<Normalizer> make_unicode_normalizer(UnicodeForm form);
std::unique_ptr<Normalizer> make_strip_normalizer(bool left, bool right);  // Unicode white space

}  // namespace ingot
