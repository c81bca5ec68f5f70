// Normalizers: rewrite a stretch of text before it is split. Internal to text/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_pipeline/pattern.h"

namespace ingot {

// Text whose bytes may carry a mark (untrusted). `marks` is empty (nothing marked) or has one byte,
// 0 or 1, for each byte of text.
struct MarkedText {
  std::string text;
  std::string marks;
  size_t limit = SIZE_MAX;  // most bytes of text; see normalize_text
  size_t step = 0;          // number of the step at work, for messages
  bool at_start = true;     // no token stands before it
  bool front_lost = false;  // a step has taken away what the text began with
};

// Before a step makes `size` bytes of `text`: Error{kInvalidArgument} when that passes the limit.
void check_growth(const MarkedText& text, size_t size);

// What a step makes of a text, piece by piece.
class TextWriter {
 public:
  explicit TextWriter(const MarkedText& from) : from_(from) {
    out_.limit = from.limit;
    out_.step = from.step;
    out_.at_start = from.at_start;
    out_.front_lost = from.front_lost;
    out_.text.reserve(from.text.size());
  }
  void keep(size_t begin, size_t end);  // bytes of the old text as they are
  // `text` for those bytes: marked if one of them is. An empty stretch marks nothing.
  void put(std::string_view text, size_t begin, size_t end);
  // Drops bytes at the end of what has been written.
  void drop_last(size_t bytes);
  std::string_view text() const { return out_.text; }
  MarkedText take() { return std::move(out_); }

 private:
  void see(std::string_view text, size_t begin);
  const MarkedText& from_;
  MarkedText out_;
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

// Appends what one character becomes.
using CharRewrite = void (*)(char32_t code, std::string& out);
std::unique_ptr<Normalizer> make_char_normalizer(CharRewrite rewrite);

// Applies the steps in order. Error{kInvalidArgument} naming the step that passes the bound.
void normalize_text(const std::vector<std::unique_ptr<Normalizer>>& steps, MarkedText& text);

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

std::unique_ptr<Normalizer> make_prepend_normalizer(std::string prefix);  // empty text stays empty
std::unique_ptr<Normalizer> make_replace_normalizer(std::unique_ptr<Pattern> pattern,
                                                    std::string replacement);
std::unique_ptr<Normalizer> make_unicode_normalizer(UnicodeForm form);
std::unique_ptr<Normalizer> make_strip_normalizer(bool left, bool right);  // Unicode white space

}  // namespace ingot
