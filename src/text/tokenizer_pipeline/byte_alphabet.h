// The printable alphabet in which byte-level vocabularies spell bytes: printable Latin-1 bytes
// stand for themselves, the other 68 for U+0100 onwards in order (the GPT-2 convention).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ingot {

char32_t byte_to_alphabet(uint8_t byte);
// -1 when the character is outside the alphabet.
int alphabet_to_byte(char32_t code);
std::string spell_bytes(std::string_view bytes);
// The bytes a token spells, or false when a character is outside the alphabet.
bool unspell_bytes(std::string_view token, std::string& bytes);

// The byte that a byte-fallback token "<0xAB>" stands for, or -1.
int byte_of_fallback(std::string_view token);

}  // namespace ingot
