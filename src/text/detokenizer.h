// Turns a stream of token ids into a stream of text, one sequence each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace ingot {

struct DetokenizeOptions {
  bool skip_special = true;
  std::vector<int32_t> shown = {};  // control tokens that are printed all the same
  // Drop the space that SentencePiece puts before the first word. False when the text goes on from
  // text already printed.
  bool at_text_start = true;
};

// The pieces of push() and flush(), joined, equal Tokenizer::decode() of the ids. Every piece is
// valid UTF-8. Not thread safe; the tokenizer must outlive it.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, const DetokenizeOptions& options = {});
  // The text that has become certain; empty while a character is incomplete.
  // Error{kInvalidArgument} for an id outside the vocabulary.
  std::string push(int32_t id);
  // What is still held back (U+FFFD for an incomplete character); after it the stream is at its
  // start.
  std::string flush();

 private:
  const Tokenizer& tokenizer_;
  DetokenizeOptions options_;
  bool shown(int32_t id) const;
  std::string print(std::string_view bytes);
  int drop_spaces_;
  bool at_start_;        // no token has been printed
  int32_t held_ = -1;    // a token that prints otherwise if it is the last
  std::string pending_;  // at most 3 bytes between calls
};

}  // namespace ingot
