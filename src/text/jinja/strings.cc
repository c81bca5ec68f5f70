// String operations that keep every byte's taint.
#include <utf8proc.h>

#include <algorithm>
#include <cstring>

#include "text/jinja/library.h"
#include "text/utf8.h"

namespace ingot::jinja {
namespace {

bool in_set(char32_t code, std::string_view chars) {
  if (chars.empty()) return is_unicode_space(code) || (code >= 0x1C && code <= 0x1F);
  for (size_t i = 0; i < chars.size();) {
    const Utf8Char c = decode_utf8(chars, i);
    if (c.code == code) return true;
    i += c.length;
  }
  return false;
}

char32_t changed(char32_t code, bool upper) {
  const auto c = static_cast<utf8proc_int32_t>(code);
  return static_cast<char32_t>(upper ? utf8proc_toupper(c) : utf8proc_tolower(c));
}

}  // namespace

size_t find_text(const std::string& text, const std::string& part, size_t from) {
  if (from > text.size()) return std::string::npos;
  const void* at = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  if (at == nullptr) return std::string::npos;
  return static_cast<size_t>(static_cast<const char*>(at) - text.data());
}

size_t rfind_text(const std::string& text, const std::string& part) {
  const std::string back(text.rbegin(), text.rend());
  const size_t at = find_text(back, std::string(part.rbegin(), part.rend()));
  return at == std::string::npos ? at : text.size() - at - part.size();
}

size_t count_chars(const Str& text) {
  return static_cast<size_t>(std::count_if(text.text().begin(), text.text().end(), [](char c) {
    return (static_cast<uint8_t>(c) & 0xC0) != 0x80;
  }));
}

Str escape_html(const Str& text) {
  Str out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool tainted = text.tainted(i);
    switch (const char c = text.text()[i]) {
      case '&':
        out.append("&amp;", tainted);
        break;
      case '<':
        out.append("&lt;", tainted);
        break;
      case '>':
        out.append("&gt;", tainted);
        break;
      case '\'':
        out.append("&#39;", tainted);
        break;
      case '"':
        out.append("&#34;", tainted);
        break;
      default:
        out.append(std::string_view(&c, 1), tainted);
    }
  }
  out.set_markup(true);
  return out;
}

Str change_case(const Str& text, CaseChange change) {
  Str out;
  bool word_start = true;
  const bool words = change == CaseChange::kWords;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text.text(), i);
    const bool upper = change == CaseChange::kUpper ||
                       ((change == CaseChange::kTitle || words) && word_start) ||
                       (change == CaseChange::kCapitalize && i == 0);
    // The one usual letter whose upper case is two letters.
    if (upper && c.code == 0xDF) {
      out.append(change == CaseChange::kUpper || words ? "SS" : "Ss", text.tainted(i));
    } else {
      std::string piece;
      append_utf8(piece, changed(c.code, upper));
      out.append(piece, text.tainted(i));
    }
    word_start = words ? in_set(c.code, "") || in_set(c.code, "-({[<") : !is_unicode_letter(c.code);
    i += c.length;
  }
  return out;
}

Str strip_text(const Str& text, std::string_view chars, int sides) {
  const std::string& s = text.text();
  size_t begin = 0, end = s.size();
  while ((sides & 1) != 0 && begin < end) {
    const Utf8Char c = decode_utf8(s, begin);
    if (!in_set(c.code, chars)) break;
    begin += c.length;
  }
  while ((sides & 2) != 0 && end > begin) {
    size_t last = end - 1;
    while (last > begin && (static_cast<uint8_t>(s[last]) & 0xC0) == 0x80) --last;
    if (!in_set(decode_utf8(s, last).code, chars)) break;
    end = last;
  }
  return text.substr(begin, end);
}

Str replace_text(Host& host, const Str& text, const std::string& from, const Str& to,
                 int64_t most) {
  Str out;
  size_t done = 0;
  const auto put = [&](size_t end) {
    host.charge_bytes(out.size() / 64 + to.size());
    if (out.size() + to.size() + text.size() > (size_t{64} << 20)) {
      host.error("a replacement makes the text too long");
    }
    out.append(text.substr(done, end));
    out.append(to);
  };
  if (from.empty()) {
    // Python puts the replacement before every character and at the end.
    host.charge_items(text.size());
    for (size_t i = 0; most != 0 && i <= text.size(); --most) {
      put(i);
      done = i;
      if (i == text.size()) break;
      i += decode_utf8(text.text(), i).length;
    }
  } else {
    for (size_t i = find_text(text.text(), from); i != std::string::npos && most != 0; --most) {
      put(i);
      done = i + from.size();
      i = find_text(text.text(), from, done);
    }
  }
  out.append(text.substr(done, text.size()));
  host.charge_bytes(out.size());
  return out;
}

}  // namespace ingot::jinja
