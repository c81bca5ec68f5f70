#include "text/tokenizer_pipeline/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "base/error.h"
#include "text/tokenizer_pipeline/unicode_history.h"
#include "text/utf8.h"

namespace ingot {
namespace {

bool any_marked(const MarkedText& t, size_t begin, size_t end) {
  return std::string_view(t.marks).substr(begin, end - begin).find('\1') != std::string::npos;
}

class PrependNormalizer final : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}
  void apply(MarkedText& t) const override {
    if (t.text.empty()) return;
    check_growth(t, t.text.size() + prefix_.size());
    t.text.insert(0, prefix_);
    if (!t.marks.empty()) t.marks.insert(0, prefix_.size(), '\0');
  }

 private:
  std::string prefix_;
};

class ReplaceNormalizer final : public Normalizer {
 public:
  ReplaceNormalizer(std::unique_ptr<Pattern> pattern, std::string replacement)
      : pattern_(std::move(pattern)), replacement_(std::move(replacement)) {}

  void apply(MarkedText& t) const override {
    TextWriter out(t);
    size_t done = 0;
    pattern_->for_each(t.text, [&](size_t begin, size_t end) {
      out.keep(done, begin);
      out.put(replacement_, begin, end);
      done = end;
    });
    out.keep(done, t.text.size());
    t = out.take();
  }

 private:
  std::unique_ptr<Pattern> pattern_;
  std::string replacement_;
};

class CharNormalizer final : public Normalizer {
 public:
  explicit CharNormalizer(CharRewrite rewrite) : rewrite_(rewrite) {}
  void apply(MarkedText& t) const override {
    TextWriter out(t);
    std::string piece;
    for (size_t i = 0; i < t.text.size();) {
      const Utf8Char c = decode_utf8(t.text, i);
      piece.clear();
      rewrite_(c.code, piece);
      out.put(piece, i, i + c.length);
      i += c.length;
    }
    t = out.take();
  }

 private:
  CharRewrite rewrite_;
};

class UnicodeNormalizer final : public Normalizer {
 public:
  explicit UnicodeNormalizer(UnicodeForm form) {
    const bool compose = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
    const bool compat = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
    options_ = UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
               (compat ? UTF8PROC_COMPAT : 0);
  }

  // An ASCII character never combines with what stands before it, so the text is normalized in
  // chunks, each an ASCII character (or the start) and what is not ASCII after it. Runs of ASCII
  // are copied.
  void apply(MarkedText& t) const override {
    const std::string& in = t.text;
    const auto ascii = [&](size_t i) { return static_cast<uint8_t>(in[i]) < 0x80; };
    size_t i = 0;
    while (i < in.size() && ascii(i)) ++i;
    if (i == in.size()) return;
    TextWriter out(t);
    for (i = 0; i < in.size();) {
      size_t plain = i;
      while (plain < in.size() && ascii(plain)) ++plain;
      // The last ASCII character may take a mark that follows it.
      const size_t copied = plain < in.size() && plain > i ? plain - 1 : plain;
      out.keep(i, copied);
      size_t end = plain;
      while (end < in.size() && !ascii(end)) ++end;
      if (end > copied) normalize(t, copied, end, out);
      i = end;
    }
    t = out.take();
  }

 private:
  // Characters that the reference implementation does not decompose yet stand for themselves.
  void normalize(const MarkedText& t, size_t begin, size_t end, TextWriter& out) const {
    for (size_t i = begin; i < end;) {
      const Utf8Char c = decode_utf8(t.text, i);
      if (!decomposes_lately(c.code)) {
        i += c.length;
        continue;
      }
      if (i > begin) map(t, begin, i, out);
      out.keep(i, i + c.length);
      begin = i += c.length;
    }
    if (end > begin) map(t, begin, end, out);
  }

  void map(const MarkedText& t, size_t begin, size_t end, TextWriter& out) const {
    utf8proc_uint8_t* result = nullptr;
    const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(&t.text[begin]),
                                     static_cast<utf8proc_ssize_t>(end - begin), &result,
                                     static_cast<utf8proc_option_t>(options_));
    const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
    if (length < 0) {
      fail(ErrorCode::kInvalidArgument, "text/normalizer", "byte {}: {}", begin,
           utf8proc_errmsg(length));
    }
    const std::string_view text(reinterpret_cast<const char*>(result), static_cast<size_t>(length));
    if (text == std::string_view(t.text).substr(begin, end - begin)) return out.keep(begin, end);
    out.put(text, begin, end);
  }
  int options_ = 0;
};

class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void apply(MarkedText& t) const override {
    size_t begin = t.text.size(), end = 0;  // bounds of what is not white space
    for (size_t i = 0; i < t.text.size();) {
      const Utf8Char c = decode_utf8(t.text, i);
      if (!is_unicode_space(c.code)) {
        begin = std::min(begin, i);
        end = i + c.length;
      }
      i += c.length;
    }
    if (!left_) begin = 0;
    if (!right_) end = t.text.size();
    end = std::max(begin, end);
    t.front_lost = t.front_lost || begin > 0;
    t.text = t.text.substr(begin, end - begin);
    if (!t.marks.empty()) t.marks = t.marks.substr(begin, end - begin);
  }

 private:
  bool left_, right_;
};

}  // namespace

void check_growth(const MarkedText& t, size_t size) {
  if (size <= t.limit) return;
  fail(ErrorCode::kInvalidArgument, "text/normalizer",
       "step {}: expected at most {} bytes of normalized text, found {}", t.step, t.limit, size);
}

void TextWriter::see(std::string_view text, size_t begin) {
  check_growth(from_, out_.text.size() + text.size());
  if (out_.text.empty() && !text.empty() && begin > 0) out_.front_lost = true;
}

void TextWriter::keep(size_t begin, size_t end) {
  see(std::string_view(from_.text).substr(begin, end - begin), begin);
  out_.text.append(from_.text, begin, end - begin);
  if (!from_.marks.empty()) out_.marks.append(from_.marks, begin, end - begin);
}

void TextWriter::put(std::string_view text, size_t begin, size_t end) {
  see(text, begin);
  out_.text += text;
  if (from_.marks.empty()) return;
  out_.marks.append(text.size(), any_marked(from_, begin, end) ? '\1' : '\0');
}

void TextWriter::drop_last(size_t bytes) {
  out_.text.resize(out_.text.size() - bytes);
  if (!from_.marks.empty()) out_.marks.resize(out_.text.size());
}

void normalize_text(const std::vector<std::unique_ptr<Normalizer>>& steps, MarkedText& text) {
  text.limit = text.text.size() * kMaxNormalizedGrowth + kMaxNormalizedExtra;
  for (text.step = 1; text.step <= steps.size(); ++text.step) steps[text.step - 1]->apply(text);
}

std::unique_ptr<Normalizer> make_prepend_normalizer(std::string prefix) {
  return std::make_unique<PrependNormalizer>(std::move(prefix));
}
std::unique_ptr<Normalizer> make_replace_normalizer(std::unique_ptr<Pattern> pattern,
                                                    std::string replacement) {
  return std::make_unique<ReplaceNormalizer>(std::move(pattern), std::move(replacement));
}
std::unique_ptr<Normalizer> make_char_normalizer(CharRewrite rewrite) {
  return std::make_unique<CharNormalizer>(rewrite);
}
std::unique_ptr<Normalizer> make_unicode_normalizer(UnicodeForm form) {
  return std::make_unique<UnicodeNormalizer>(form);
}
std::unique_ptr<Normalizer> make_strip_normalizer(bool left, bool right) {
  return std::make_unique<StripNormalizer>(left, right);
}

}  // namespace ingot
