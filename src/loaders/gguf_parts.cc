#include "loaders/gguf_parts.h"

#include "base/error.h"

namespace ingot {

namespace {

std::string ending(int64_t part, int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", part, count);
}

}  // namespace

std::vector<std::string> gguf_part_names(const std::string& first, int64_t count) {
  constexpr int64_t kMost = 65535;  // split.count is a uint16
  if (count < 1 || count > kMost) {
    fail(ErrorCode::kCorrupt, "loaders/gguf", "{}: 'split.count': expected 1 to {}, found {}",
         first, kMost, count);
  }
  const std::string end = ending(1, count);
  if (!first.ends_with(end)) {
    fail(ErrorCode::kUnsupported, "loaders/gguf",
         "{}: one of {} files of a model: expected the name of the first, which ends in '{}'",
         first, count, end);
  }
  const std::string base = first.substr(0, first.size() - end.size());
  std::vector<std::string> out;
  for (int64_t part = 1; part <= count; ++part) out.push_back(base + ending(part, count));
  return out;
}

bool are_gguf_parts(const std::vector<std::string>& names) {
  const auto count = static_cast<int64_t>(names.size());
  return !names.empty() && names[0].ends_with(ending(1, count)) &&
         gguf_part_names(names[0], count) == names;
}

}  // namespace ingot
