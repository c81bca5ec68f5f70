// Unicode as older versions of it had it: the reference implementation's tables are that old, and
// ids must be equal. Internal to text/.
#pragma once

namespace ingot {

// Assigned after Unicode 9.
bool is_newer_than_unicode9(char32_t code);
// General categories in Unicode 9.
bool was_unicode_mark(char32_t code);  // M*
// General categories in Unicode 8.
bool was_unicode_nonspacing(char32_t code);   // Mn
bool was_unicode_punctuation(char32_t code);  // P*, and the ASCII symbols
bool was_unicode_control(char32_t code);      // Cc, Cf or Co
// Whether the compatibility decomposition is newer than Unicode 11.
bool decomposes_lately(char32_t code);

}  // namespace ingot
