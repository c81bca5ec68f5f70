#include "base/stand_in.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace ingot {
namespace {

// Whether `text` begins with `start`, which is in lower case, in any case.
bool begins_with(std::string_view text, std::string_view start) {
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  return text.size() >= start.size() && std::equal(start.begin(), start.end(), text.begin(),
                                                   [&](char a, char b) { return same(b, a); });
}

// Past a byte order mark and blanks.
std::string_view first_word(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

}  // namespace

std::string describe_stand_in(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("version https://git-lfs")) {
    return fmt::format(
        "a Git LFS pointer of {} bytes in place of the file ('git lfs pull' in its folder fetches "
        "the file)",
        bytes.size());
  }
  const std::string_view word = first_word(text);
  for (const std::string_view start : {"<!doctype html", "<html", "<?xml"}) {
    if (!begins_with(word, start)) continue;
    return fmt::format(
        "a web page (HTML or XML) of {} bytes in place of the file (download the file again)",
        bytes.size());
  }
  return {};
}

void refuse_stand_in(std::span<const std::byte> bytes, std::string_view where,
                     std::string_view file, std::string_view expected) {
  const std::string what = describe_stand_in(bytes);
  if (what.empty()) return;
  fail(ErrorCode::kCorrupt, where, "{}: expected {}, found {}", file, expected, what);
}

}  // namespace ingot
