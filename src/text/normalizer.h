// Normalizers: rewrite a stretch of text before it is split. Internal to text/.
#pragma once

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
};

// Immutable, thread safe. Every step is linear and carries the marks along.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(MarkedText& text) const = 0;
};

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

std::unique_ptr<Normalizer> make_prepend_normalizer(std::string prefix);  // empty text stays empty
std::unique_ptr<Normalizer> make_replace_normalizer(std::unique_ptr<Pattern> pattern,
                                                    std::string replacement);
std::unique_ptr<Normalizer> make_unicode_normalizer(UnicodeForm form);
std::unique_ptr<Normalizer> make_strip_normalizer(bool left, bool right);  // Unicode white space

}  // namespace ingot
