#include "text/tokenizer_pipeline/byte_alphabet.h"

#include <array>

#include "text/utf8.h"

namespace ingot {
namespace {

constexpr int kShifted = 68;  // bytes that do not print

constexpr bool prints(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<char32_t, 256> forward{};
  std::array<int16_t, 256 + kShifted> backward{};
};

constexpr Alphabet make_alphabet() {
  Alphabet a;
  for (auto& b : a.backward) b = -1;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const int code = prints(byte) ? byte : next++;
    a.forward[byte] = static_cast<char32_t>(code);
    a.backward[code] = static_cast<int16_t>(byte);
  }
  return a;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

char32_t byte_to_alphabet(uint8_t byte) { return kAlphabet.forward[byte]; }

int alphabet_to_byte(char32_t code) {
  return code < kAlphabet.backward.size() ? kAlphabet.backward[code] : -1;
}

std::string spell_bytes(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) append_utf8(out, byte_to_alphabet(static_cast<uint8_t>(c)));
  return out;
}

bool unspell_bytes(std::string_view token, std::string& bytes) {
  bytes.clear();
  for (size_t i = 0; i < token.size();) {
    const Utf8Char c = decode_utf8(token, i);
    const int byte = c.valid ? alphabet_to_byte(c.code) : -1;
    if (byte < 0) return false;
    bytes += static_cast<char>(byte);
    i += c.length;
  }
  return true;
}

int byte_of_fallback(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

}  // namespace ingot
