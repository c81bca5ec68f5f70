// Tokens that are matched as a whole in the text, before the model sees it. Internal to text/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"

namespace ingot {

struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space behind it
  bool normalized = false;   // matched after normalization
  bool special = false;      // a control token
  bool separators = false;   // U+001C to U+001F count as white space, as they do in Python
};

// Leftmost-longest search for a set of tokens. Immutable, thread safe. Time: the text's length
// times the length of the longest prefix of a token found along the way.
class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  // Of `tokens` those with `normalized` equal to the argument; keeps pointers to them. `spell`
  // gives the text to look for (the content after normalization).
  AddedTokenMatcher(const std::vector<AddedToken>& tokens, bool normalized,
                    FunctionRef<std::string(const AddedToken&)> spell);
  bool empty() const { return tokens_.empty(); }

  // Cuts `text` into stretches, in order and without gaps: token is null for plain text (never
  // empty). `marks`: empty or one byte for each byte of text; special tokens are not matched over
  // marked bytes, nor at all unless parse_special.
  void split(std::string_view text, std::string_view marks, bool parse_special,
             FunctionRef<void(size_t begin, size_t end, const AddedToken* token)> found) const;

 private:
  struct Entry {
    const AddedToken* token;
    size_t length;  // of what was matched
  };
  struct Node {
    int32_t first_child = -1;
    int32_t next_sibling = -1;
    int32_t token = -1;  // index into tokens_
    uint8_t byte = 0;
  };
  void insert(std::string_view content, int32_t token);
  const Entry* longest_at(std::string_view text, std::string_view marks, size_t at,
                          bool parse_special) const;
  std::vector<Entry> tokens_;
  std::vector<Node> nodes_;
  std::vector<int32_t> roots_;  // by first byte; -1: no token begins so
};

}  // namespace ingot
