// How tokens turn back into bytes. Internal to text/.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace ingot {

// Rewrites what one token prints.
struct DecodeStep {
  std::function<std::string(std::string text, TokenPlace place)> apply;
  bool first_differs = false;  // the step looks for kFirst
  bool last_differs = false;
  bool for_control = false;  // control tokens pass through it too
};

struct TokenDecoder {
  bool byte_level = false;     // tokens are spelled in the byte alphabet
  bool byte_fallback = false;  // <0xXX> is one byte
  std::vector<DecodeStep> steps;
  int drop_spaces = 0;  // at the front of the text
  bool fused = false;   // a step has joined the tokens; what comes after it sees the text

  bool first_differs() const;
  bool last_differs() const;
  // What a token of this text and kind prints.
  std::string print(std::string_view token, TokenKind kind, TokenPlace place) const;
  void add_replacement(std::string from, std::string to);
};

std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace ingot
