// What splits and replacements search for. Internal to text/.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/function_ref.h"

namespace ingot {

// Immutable, thread safe.
class Pattern {
 public:
  virtual ~Pattern() = default;
  // Calls `found` with the bounds of each match, leftmost first, not overlapping. A match may be
  // empty. Text is valid UTF-8. Error{kInvalidArgument} when a match costs more than its limit.
  virtual void for_each(std::string_view text,
                        FunctionRef<void(size_t begin, size_t end)> found) const = 0;
};

std::unique_ptr<Pattern> make_literal_pattern(std::string text);  // must not be empty
// Known expressions get a scanner written by hand, others PCRE2 with limits on time and memory.
// Error{kUnsupported} names the expression when it does not compile.
std::unique_ptr<Pattern> make_regex_pattern(std::string_view expression, std::string_view file);
// The expression of a tokenizer file in PCRE2's syntax. Error{kUnsupported} for what has no equal.
std::string pcre_syntax(std::string_view expression, std::string_view file);
// Always PCRE2; for tests of the scanners. `expression` is in the syntax of tokenizer files.
std::unique_ptr<Pattern> make_pcre_pattern(std::string_view expression, std::string_view file);

// The split expressions of the model families, as their tokenizer files spell them.
inline constexpr std::string_view kGpt2Split =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
inline constexpr std::string_view kLlama3Split =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
inline constexpr std::string_view kQwen2Split =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
inline constexpr std::string_view kO200kSplit =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
inline constexpr std::string_view kTekkenSplit =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
    "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

// Scanners: the end of the piece that starts at `begin` (< text.size()). Every byte of a text is in
// some piece, and a whole text is scanned in linear time.
size_t scan_gpt2(std::string_view text, size_t begin);
size_t scan_llama3(std::string_view text, size_t begin, int most_digits);

}  // namespace ingot
