#include "text/tokenizer_pipeline/sentencepiece_normalizer.h"

#include <utf8proc.h>

#include "text/tokenizer_pipeline/byte_trie.h"
#include "text/utf8.h"

namespace ingot {
namespace {

class SentencePieceNormalizer final : public Normalizer {
 public:
  explicit SentencePieceNormalizer(SentencePieceRules rules)
      : rules_(std::move(rules)), space_(rules_.mark_spaces ? kSpaceMarker : " ") {
    for (const std::string& piece : rules_.kept) kept_.insert(piece, 0);
  }

  void apply(MarkedText& t) const override {
    TextWriter out(t);
    size_t i = 0;
    while (rules_.remove_extra_spaces && i < t.text.size()) {
      const Piece piece = piece_at(t.text, i);
      if (piece.text != " ") break;
      i += piece.length;
    }
    const bool empty = i == t.text.size();
    const bool add_space = !empty && rules_.add_space && (t.at_start || !rules_.only_at_start);
    if (add_space && !rules_.space_behind) out.put(space_, i, i);
    bool after_space = rules_.remove_extra_spaces;
    for (; i < t.text.size();) {
      const Piece piece = piece_at(t.text, i);
      std::string_view text = piece.text;
      while (after_space && text.starts_with(' ')) text.remove_prefix(1);
      write(text, i, i + piece.length, out);
      if (!text.empty()) after_space = rules_.remove_extra_spaces && text.ends_with(' ');
      i += piece.length;
    }
    while (rules_.remove_extra_spaces && out.text().ends_with(space_)) {
      out.drop_last(space_.size());
    }
    if (add_space && rules_.space_behind) out.put(space_, i, i);
    t = out.take();
  }

 private:
  struct Piece {
    size_t length;  // of the text it stands for
    std::string_view text;
  };
  Piece piece_at(std::string_view text, size_t at) const {
    if (const size_t n = kept_.longest(text, at).length; n > 0) return {n, text.substr(at, n)};
    const Charsmap::Match match = rules_.charsmap.longest(text, at);
    if (match.length > 0) return {match.length, match.text};
    const size_t length = decode_utf8(text, at).length;
    return {length, text.substr(at, length)};
  }
  void write(std::string_view text, size_t begin, size_t end, TextWriter& out) const {
    for (size_t i = 0; i < text.size();) {
      const size_t space = std::min(text.find(' ', i), text.size());
      if (space > i) out.put(text.substr(i, space - i), begin, end);
      if (space < text.size()) out.put(space_, begin, end);
      i = space + 1;
    }
  }

  SentencePieceRules rules_;
  std::string_view space_;
  ByteTrie kept_;
};

class CharsmapNormalizer final : public Normalizer {
 public:
  explicit CharsmapNormalizer(Charsmap charsmap) : charsmap_(std::move(charsmap)) {}

  void apply(MarkedText& t) const override {
    TextWriter out(t);
    const std::string_view text = t.text;
    for (size_t i = 0; i < text.size();) {
      const size_t end = grapheme_end(text, i);
      if (end - i >= kLongGrapheme || !map(text.substr(i, end - i), i, out)) {
        for (size_t k = i; k < end;) {
          const size_t length = decode_utf8(text, k).length;
          if (!map(text.substr(k, length), k, out)) out.keep(k, k + length);
          k += length;
        }
      }
      i = end;
    }
    t = out.take();
  }

 private:
  static constexpr size_t kLongGrapheme = 6;

  static size_t grapheme_end(std::string_view text, size_t begin) {
    utf8proc_int32_t state = 0;
    Utf8Char before = decode_utf8(text, begin);
    size_t i = begin + before.length;
    while (i < text.size()) {
      const Utf8Char next = decode_utf8(text, i);
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before.code),
                                           static_cast<utf8proc_int32_t>(next.code), &state)) {
        break;
      }
      i += next.length;
      before = next;
    }
    return i;
  }
  bool map(std::string_view part, size_t begin, TextWriter& out) const {
    const Charsmap::Match match = charsmap_.shortest(part, 0);
    if (match.length == 0) return false;
    out.put(match.text, begin, begin + part.size());
    return true;
  }
  Charsmap charsmap_;
};

}  // namespace

std::unique_ptr<Normalizer> make_sentencepiece_normalizer(SentencePieceRules rules) {
  return std::make_unique<SentencePieceNormalizer>(std::move(rules));
}

std::unique_ptr<Normalizer> make_charsmap_normalizer(Charsmap charsmap) {
  return std::make_unique<CharsmapNormalizer>(std::move(charsmap));
}

}  // namespace ingot
