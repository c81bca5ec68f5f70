#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "base/error.h"
#include "text/utf8.h"

namespace ingot {
namespace {

bool any_marked(const MarkedText& t, size_t begin, size_t end) {
  return std::string_view(t.marks).substr(begin, end - begin).find('\1') != std::string::npos;
}

// Before a step makes `size` bytes of text `t`.
void check_growth(const MarkedText& t, size_t size) {
  if (size <= t.limit) return;
  fail(ErrorCode::kInvalidArgument, "text/normalizer",
       "step {}: expected at most {} bytes of normalized text, found {}", t.step, t.limit, size);
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
    MarkedText out = {{}, {}, t.limit, t.step};
    size_t done = 0;
    const auto keep = [&](size_t end) {
      check_growth(t, out.text.size() + (end - done));
      out.text.append(t.text, done, end - done);
      if (!t.marks.empty()) out.marks.append(t.marks, done, end - done);
      done = end;
    };
    pattern_->for_each(t.text, [&](size_t begin, size_t end) {
      keep(begin);
      check_growth(t, out.text.size() + replacement_.size());
      out.text += replacement_;
      if (!t.marks.empty()) {
        const bool marked = any_marked(t, begin, end);
        out.marks.append(replacement_.size(), marked ? '\1' : '\0');
      }
      done = end;
    });
    keep(t.text.size());
    t = std::move(out);
  }

 private:
  std::unique_ptr<Pattern> pattern_;
  std::string replacement_;
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
    MarkedText out = {{}, {}, t.limit, t.step};
    for (i = 0; i < in.size();) {
      size_t plain = i;
      while (plain < in.size() && ascii(plain)) ++plain;
      // The last ASCII character may take a mark that follows it.
      const size_t copied = plain < in.size() && plain > i ? plain - 1 : plain;
      copy(t, i, copied, out);
      size_t end = plain;
      while (end < in.size() && !ascii(end)) ++end;
      if (end > copied) normalize(t, copied, end, out);
      i = end;
    }
    t = std::move(out);
  }

 private:
  static void copy(const MarkedText& t, size_t begin, size_t end, MarkedText& out) {
    out.text.append(t.text, begin, end - begin);
    if (!t.marks.empty()) out.marks.append(t.marks, begin, end - begin);
  }
  void normalize(const MarkedText& t, size_t begin, size_t end, MarkedText& out) const {
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
    if (text == std::string_view(t.text).substr(begin, end - begin)) {
      return copy(t, begin, end, out);
    }
    check_growth(t, out.text.size() + text.size());
    out.text += text;
    if (t.marks.empty()) return;
    out.marks.append(text.size(), any_marked(t, begin, end) ? '\1' : '\0');
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
    t.text = t.text.substr(begin, end - begin);
    if (!t.marks.empty()) t.marks = t.marks.substr(begin, end - begin);
  }

 private:
  bool left_, right_;
};

}  // namespace

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
std::unique_ptr<Normalizer> make_unicode_normalizer(UnicodeForm form) {
  return std::make_unique<UnicodeNormalizer>(form);
}
std::unique_ptr<Normalizer> make_strip_normalizer(bool left, bool right) {
  return std::make_unique<StripNormalizer>(left, right);
}

}  // namespace ingot
