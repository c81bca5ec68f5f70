#include "text/tokenizer_pipeline/pre_tokenizer.h"

#include "base/check.h"
#include "text/tokenizer_pipeline/byte_alphabet.h"
#include "text/utf8.h"

namespace ingot {
namespace {

using Bounds = Words::Bounds;

// Collects the stretches of one word and joins them by the behaviour.
class Splitter {
 public:
  Splitter(std::vector<Bounds>& out, SplitBehavior behavior) : out_(out), behavior_(behavior) {}

  void add(size_t begin, size_t end, bool match) {
    if (begin == end) return;
    switch (behavior_) {
      case SplitBehavior::kRemoved:
        if (!match) out_.push_back({begin, end});
        break;
      case SplitBehavior::kIsolated:
        out_.push_back({begin, end});
        break;
      case SplitBehavior::kMergedWithPrevious:
        join(begin, end, !first_ && match && !last_match_);
        break;
      case SplitBehavior::kMergedWithNext:
        join(begin, end, !first_ && !match && last_match_);
        break;
      case SplitBehavior::kContiguous:
        join(begin, end, !first_ && match == last_match_);
        break;
    }
    first_ = false;
    last_match_ = match;
  }

 private:
  void join(size_t begin, size_t end, bool with_last) {
    if (with_last) {
      out_.back().end = end;
    } else {
      out_.push_back({begin, end});
    }
  }
  std::vector<Bounds>& out_;
  SplitBehavior behavior_;
  bool first_ = true;
  bool last_match_ = false;
};

class Split final : public PreTokenizer {
 public:
  Split(std::unique_ptr<Pattern> pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void apply(Words& words) const override {
    std::vector<Bounds> out;
    for (const Bounds& word : words.words) {
      Splitter splitter(out, behavior_);
      size_t done = word.begin;
      pattern_->for_each(words.view(word), [&](size_t begin, size_t end) {
        splitter.add(done, word.begin + begin, invert_);
        splitter.add(word.begin + begin, word.begin + end, !invert_);
        done = word.begin + end;
      });
      splitter.add(done, word.end, invert_);
    }
    words.words = std::move(out);
  }

 private:
  std::unique_ptr<Pattern> pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class CharPattern final : public Pattern {
 public:
  explicit CharPattern(bool (*accepts)(char32_t)) : accepts_(accepts) {}
  void for_each(std::string_view text, FunctionRef<void(size_t, size_t)> found) const override {
    for (size_t i = 0; i < text.size();) {
      const Utf8Char c = decode_utf8(text, i);
      if (accepts_(c.code)) found(i, i + c.length);
      i += c.length;
    }
  }

 private:
  bool (*accepts_)(char32_t);
};

// \w+|[^\w\s]+
class WordPattern final : public Pattern {
 public:
  void for_each(std::string_view text, FunctionRef<void(size_t, size_t)> found) const override {
    enum class Run { kSpace, kWord, kOther };
    Run run = Run::kSpace;
    size_t begin = 0;
    for (size_t i = 0; i < text.size();) {
      const Utf8Char c = decode_utf8(text, i);
      const Run next = is_unicode_word(c.code)    ? Run::kWord
                       : is_unicode_space(c.code) ? Run::kSpace
                                                  : Run::kOther;
      if (next != run) {
        if (run != Run::kSpace) found(begin, i);
        begin = i;
        run = next;
      }
      i += c.length;
    }
    if (run != Run::kSpace) found(begin, text.size());
  }
};

// Rewrites every word; the new words are those that `rewrite` appends to the text, one a call.
template <typename Rewrite>
void rewrite_words(Words& words, Rewrite rewrite) {
  std::string text;
  text.reserve(words.text.size() + words.words.size());
  std::vector<Bounds> out;
  for (const Bounds& word : words.words) {
    const size_t begin = text.size();
    rewrite(words.view(word), word, text);
    if (text.size() > begin) out.push_back({begin, text.size()});
  }
  words.owned = std::move(text);
  words.text = words.owned;
  words.words = std::move(out);
}

class PrefixSpace final : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    rewrite_words(words, [](std::string_view word, const Bounds&, std::string& text) {
      if (!word.starts_with(' ')) text += ' ';
      text += word;
    });
  }
};

class ByteSpelling final : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    rewrite_words(words, [](std::string_view word, const Bounds&, std::string& text) {
      for (const char c : word) append_utf8(text, byte_to_alphabet(static_cast<uint8_t>(c)));
    });
  }
};

class Metaspace final : public PreTokenizer {
 public:
  Metaspace(std::string marker, PrependScheme scheme, bool split)
      : marker_(marker), scheme_(scheme) {
    if (split) {
      split_ = make_split(make_literal_pattern(std::move(marker)), SplitBehavior::kMergedWithNext,
                          false);
    }
  }
  void apply(Words& words) const override {
    const bool at_start = words.at_text_start;
    rewrite_words(words, [&](std::string_view word, const Bounds& bounds, std::string& text) {
      const bool prepend = scheme_ == PrependScheme::kAlways ||
                           (scheme_ == PrependScheme::kFirst && at_start && bounds.begin == 0);
      if (prepend && !word.starts_with(' ') && !word.starts_with(marker_)) text += marker_;
      for (const char c : word) {
        if (c == ' ') {
          text += marker_;
        } else {
          text += c;
        }
      }
    });
    if (split_) split_->apply(words);
  }

 private:
  std::string marker_;
  PrependScheme scheme_;
  std::unique_ptr<PreTokenizer> split_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_split(std::unique_ptr<Pattern> pattern, SplitBehavior behavior,
                                         bool invert) {
  return std::make_unique<Split>(std::move(pattern), behavior, invert);
}
std::unique_ptr<PreTokenizer> make_digits_split(bool individual) {
  return make_split(std::make_unique<CharPattern>(is_unicode_number),
                    individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous, false);
}
std::unique_ptr<PreTokenizer> make_char_split(bool (*accepts)(char32_t), SplitBehavior behavior) {
  return make_split(std::make_unique<CharPattern>(accepts), behavior, false);
}
std::unique_ptr<PreTokenizer> make_word_split() {
  return make_split(std::make_unique<WordPattern>(), SplitBehavior::kRemoved, true);
}
std::unique_ptr<PreTokenizer> make_byte_spelling() { return std::make_unique<ByteSpelling>(); }
std::unique_ptr<PreTokenizer> make_prefix_space() { return std::make_unique<PrefixSpace>(); }
std::unique_ptr<PreTokenizer> make_metaspace(std::string marker, PrependScheme scheme, bool split) {
  return std::make_unique<Metaspace>(std::move(marker), scheme, split);
}

}  // namespace ingot
