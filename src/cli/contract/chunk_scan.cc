#include "cli/contract/chunk_scan.h"

namespace ingot {
namespace {

// The start of the value of the next `key` (as `content":`) behind `from`, past blanks; `from` is
// moved there, npos where there is none.
std::string_view next_value(std::string_view data, std::string_view key, size_t& from) {
  from = data.find(key, from);
  if (from == data.npos) return {};
  from += key.size();
  const size_t value = data.find_first_not_of(" \t\n\r", from);
  return value == data.npos ? std::string_view() : data.substr(value);
}

template <typename Holds>
bool any_value(std::string_view data, std::string_view key, Holds holds) {
  for (size_t from = 0; from != data.npos;) {
    const std::string_view value = next_value(data, key, from);
    if (!value.empty() && holds(value)) return true;
  }
  return false;
}

bool is_text(std::string_view value) {
  return value.size() > 1 && value[0] == '"' && value[1] != '"';
}

// A list with something in it.
bool is_filled(std::string_view value) {
  if (value[0] != '[') return false;
  const size_t first = value.find_first_not_of(" \t\n\r", 1);
  return first != value.npos && value[first] != ']';
}

}  // namespace

ChunkScan scan_chunk(std::string_view data) {
  ChunkScan out;
  out.finished = any_value(data, "\"finish_reason\":", is_text);
  // "content" and "reasoning_content"; "text" of completions, whose tokens may have no text.
  const bool token = !out.finished;
  out.text = any_value(data, "content\":", is_text) ||
             any_value(data, "\"text\":",
                       [&](std::string_view v) { return v[0] == '"' && (token || is_text(v)); }) ||
             any_value(data, "\"reasoning\":", is_text) ||
             any_value(data, "\"arguments\":", is_text) ||
             any_value(data, "\"token_ids\":", is_filled);
  out.usage = any_value(data, "\"usage\":", [](std::string_view v) { return v[0] == '{'; });
  out.error = any_value(data, "\"error\":", [](std::string_view v) { return v[0] != 'n'; });
  return out;
}

}  // namespace ingot
