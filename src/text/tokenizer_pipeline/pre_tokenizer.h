// Pre-tokenizers: cut a normalized stretch of text into the words that the model encodes one by
// one. Internal to text/.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_pipeline/pattern.h"

namespace ingot {

struct Words {
  // `text` is what the bounds refer to: the caller's text, or `owned` once a step has rewritten it.
  std::string_view text;
  std::string owned;
  struct Bounds {
    size_t begin, end;
  };
  std::vector<Bounds> words;   // in order, not overlapping, none empty
  bool at_text_start = false;  // whether the first word begins the whole text

  explicit Words(std::string_view whole, bool at_start) : text(whole), at_text_start(at_start) {
    if (!whole.empty()) words.push_back({0, whole.size()});
  }
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;
  std::string_view view(const Bounds& b) const { return text.substr(b.begin, b.end - b.begin); }
};

// Immutable, thread safe, linear.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Words& words) const = 0;
};

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// With invert the stretches between the matches count as the matches.
std::unique_ptr<PreTokenizer> make_split(std::unique_ptr<Pattern> pattern, SplitBehavior behavior,
                                         bool invert);
// At every character that the predicate accepts; each is a match for itself.
std::unique_ptr<PreTokenizer> make_char_split(bool (*accepts)(char32_t), SplitBehavior behavior);
// Runs of word characters, and runs of what is neither word nor white space; white space goes.
std::unique_ptr<PreTokenizer> make_word_split();
// Where the script changes. Spaces and characters of no known script go with what stands before
// them; those at the front go away. Hiragana and Katakana count as Han.
std::unique_ptr<PreTokenizer> make_script_split();
// Every word's bytes spelled in the byte alphabet.
std::unique_ptr<PreTokenizer> make_byte_spelling();
// Numbers (general category N) apart from the rest, each digit alone or in runs.
std::unique_ptr<PreTokenizer> make_digits_split(bool individual);
// A space in front of every word that does not begin with one.
std::unique_ptr<PreTokenizer> make_prefix_space();

enum class PrependScheme { kAlways, kFirst, kNever };
// SentencePiece's marker in place of spaces, put in front by the scheme; splits before each marker.
std::unique_ptr<PreTokenizer> make_metaspace(std::string marker, PrependScheme scheme, bool split);

}  // namespace ingot
