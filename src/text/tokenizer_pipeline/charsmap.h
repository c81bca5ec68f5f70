// SentencePiece's precompiled normalization: a double-array trie (darts-clone's layout) from
// strings to strings. Internal to text/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

class Charsmap {
 public:
  Charsmap() = default;  // maps nothing
  // u32 size of the trie in bytes, the trie's u32 units, then texts that each end in a zero byte.
  // Error{kCorrupt} for sizes that do not fit; `file` names the source.
  Charsmap(std::string_view blob, std::string_view file);

  bool empty() const { return units_.empty(); }

  struct Match {
    size_t length = 0;  // 0: no match
    std::string_view text;
  };
  // The longest, or the shortest, key that text[at..] begins with. Error{kCorrupt} where the trie
  // points outside of itself or of its texts.
  Match longest(std::string_view text, size_t at) const { return find(text, at, false); }
  Match shortest(std::string_view text, size_t at) const { return find(text, at, true); }

 private:
  Match find(std::string_view text, size_t at, bool first) const;
  uint32_t unit(size_t index) const;
  std::string_view text_at(size_t offset) const;
  [[noreturn]] void outside(std::string_view what, size_t index, size_t size) const;
  std::string file_;
  std::vector<uint32_t> units_;
  std::string texts_;
};

}  // namespace ingot
