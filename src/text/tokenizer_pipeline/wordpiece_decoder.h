// How WordPiece tokens become text. Internal to text/.
#pragma once

#include <string>

#include "text/tokenizer_pipeline/token_decoder.h"

namespace ingot {

// A space before every token but the first, or in place of it `prefix` taken away; `cleanup`
// undoes the space before English punctuation and contractions.
DecodeStep make_wordpiece_decoder(std::string prefix, bool cleanup);

}  // namespace ingot
