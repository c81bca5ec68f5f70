// Normalization by SentencePiece's rules, and by its character map alone. Internal to text/.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/tokenizer_pipeline/charsmap.h"
#include "text/tokenizer_pipeline/normalizer.h"

namespace ingot {

// The marker for a space, U+2581.
inline constexpr std::string_view kSpaceMarker = "\xE2\x96\x81";

struct SentencePieceRules {
  Charsmap charsmap;
  bool add_space = true;            // one in front of the text, or behind it
  bool only_at_start = false;       // no such space where a token stands before the stretch
  bool space_behind = false;        // words end with their space instead of beginning with it
  bool remove_extra_spaces = true;  // at both ends, and all but one of a run
  bool mark_spaces = true;          // write the marker for a space
  std::vector<std::string> kept;    // pieces that pass unchanged
};

std::unique_ptr<Normalizer> make_sentencepiece_normalizer(SentencePieceRules rules);

// The map as Hugging Face's tokenizers apply it: to each grapheme of less than six bytes, else to
// each character, the shortest key that it begins with deciding for the whole of it.
std::unique_ptr<Normalizer> make_charsmap_normalizer(Charsmap charsmap);

}  // namespace ingot
