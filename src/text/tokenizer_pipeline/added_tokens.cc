#include "text/tokenizer_pipeline/added_tokens.h"

#include <algorithm>

#include "text/utf8.h"

namespace ingot {
namespace {

// The character that ends at `end`.
char32_t char_before(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) {
    --begin;
  }
  return decode_utf8(text, begin).code;
}

size_t length_of(char32_t code) {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  return (begin == 0 || !is_unicode_word(char_before(text, begin))) &&
         (end == text.size() || !is_unicode_word(decode_utf8(text, end).code));
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(const std::vector<AddedToken>& tokens, bool normalized,
                                     FunctionRef<std::string(const AddedToken&)> spell)
    : roots_(256, -1) {
  for (const AddedToken& token : tokens) {
    if (token.normalized != normalized) continue;
    const std::string text = spell(token);
    if (text.empty()) continue;
    insert(text, static_cast<int32_t>(tokens_.size()));
    tokens_.push_back({&token, text.size()});
  }
}

void AddedTokenMatcher::insert(std::string_view content, int32_t token) {
  int32_t* link = &roots_[static_cast<uint8_t>(content[0])];
  int32_t node = -1;
  for (const char c : content) {
    const uint8_t byte = static_cast<uint8_t>(c);
    if (node >= 0) link = &nodes_[node].first_child;
    while (*link >= 0 && nodes_[*link].byte != byte) link = &nodes_[*link].next_sibling;
    if (*link < 0) {
      *link = static_cast<int32_t>(nodes_.size());
      node = *link;
      nodes_.push_back({-1, -1, -1, byte});
    } else {
      node = *link;
    }
  }
  nodes_[node].token = token;
}

const AddedTokenMatcher::Entry* AddedTokenMatcher::longest_at(std::string_view text,
                                                              std::string_view marks, size_t at,
                                                              bool parse_special) const {
  const Entry* best = nullptr;
  bool marked = false;
  int32_t node = roots_[static_cast<uint8_t>(text[at])];
  for (size_t i = at; node >= 0;) {
    marked = marked || (!marks.empty() && marks[i] != 0);
    if (nodes_[node].token >= 0) {
      const Entry& entry = tokens_[nodes_[node].token];
      if (!entry.token->special || (parse_special && !marked)) best = &entry;
    }
    if (++i == text.size()) break;
    node = nodes_[node].first_child;
    while (node >= 0 && nodes_[node].byte != static_cast<uint8_t>(text[i])) {
      node = nodes_[node].next_sibling;
    }
  }
  return best;
}

void AddedTokenMatcher::split(std::string_view text, std::string_view marks, bool parse_special,
                              FunctionRef<void(size_t, size_t, const AddedToken*)> found) const {
  size_t done = 0;
  for (size_t i = 0; !tokens_.empty() && i < text.size();) {
    const Entry* entry = longest_at(text, marks, i, parse_special);
    if (entry == nullptr) {
      ++i;
      continue;
    }
    const AddedToken* token = entry->token;
    size_t begin = i, end = i + entry->length;
    i = end;
    if (token->single_word && !stands_alone(text, begin, end)) continue;
    const auto is_space = [&](char32_t c) {
      return is_unicode_space(c) || (token->separators && c >= 0x1c && c <= 0x1f);
    };
    if (token->lstrip) {
      while (begin > done) {
        const char32_t c = char_before(text, begin);
        if (!is_space(c)) break;
        begin -= length_of(c);
      }
    }
    if (token->rstrip) {
      while (end < text.size()) {
        const Utf8Char c = decode_utf8(text, end);
        if (!is_space(c.code)) break;
        end += c.length;
      }
    }
    if (begin > done) found(done, begin, nullptr);
    found(begin, end, token);
    done = i = end;
  }
  if (done < text.size()) found(done, text.size(), nullptr);
}

}  // namespace ingot
