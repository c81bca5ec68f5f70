#include "base/refusal.h"

#include <algorithm>

#include "base/printable.h"

namespace ingot {
namespace {

constexpr size_t kShown = 8;  // of one error's faults; their list has all

std::string all_text(const std::vector<Refusal>& refusals) {
  std::string out;
  std::string_view file;
  for (size_t i = 0; i < std::min(refusals.size(), kShown); ++i) {
    const Refusal& refusal = refusals[i];
    if (i > 0) out += "; ";
    if (refusal.file != file) out += refusal.file + ": ";
    file = refusal.file;
    out += refusal_text(refusal);
  }
  if (refusals.size() > kShown) {
    out += fmt::format("; and {} more ('ingot inspect' lists them)", refusals.size() - kShown);
  }
  return out;
}

// Without "[room] " and the file's name in front.
std::string_view bare_text(std::string_view text, std::string_view file) {
  if (const size_t end = text.find("] "); text.starts_with('[') && end != text.npos) {
    text.remove_prefix(end + 2);
  }
  if (!file.empty() && text.starts_with(file) && text.substr(file.size()).starts_with(": ")) {
    text.remove_prefix(file.size() + 2);
  }
  return text;
}

}  // namespace

std::string error_line(std::string_view room, std::string_view message) {
  // Messages quote names from files: control bytes would cut the line, or write to the terminal.
  return fmt::format("[{}] {}", room, printable(message, "\n"));
}

std::string refusal_text(const Refusal& refusal) {
  const auto& [kind, file, where, expected, found] = refusal;
  const char* format = kind == "op" ? "{}" : kind == "weight" ? "tensor '{}'" : "'{}'";
  const std::string place = where.empty() ? "" : fmt::format(fmt::runtime(format), where);
  if (found.empty()) return place + " is missing";
  const std::string colon = place.empty() ? "" : ": ";
  if (expected.empty()) return place + colon + found;
  return fmt::format("{}{}expected {}, found {}", place, colon, expected, found);
}

RefusedError::RefusedError(ErrorCode code, std::string_view room, std::vector<Refusal> refusals)
    : Error(code, error_line(room, all_text(refusals))), refusals_(std::move(refusals)) {}

void refuse(ErrorCode code, std::string_view room, Refusal refusal) {
  throw RefusedError(code, room, {std::move(refusal)});
}

bool RefusalList::add(ErrorCode code, Refusal refusal) {
  const auto& [kind, file, where, expected, found] = refusal;
  constexpr std::string_view kBetween("\0", 1);
  const std::string_view parts[] = {kind, file, where, expected, found};
  if (!seen_.insert(fmt::format("{}", fmt::join(parts, kBetween))).second) return false;
  if (refusals_.empty()) code_ = code;
  refusals_.push_back(std::move(refusal));
  return true;
}

bool RefusalList::add(const Error& error, std::string_view kind, std::string_view file) {
  const ErrorCode code = error.code();
  if (code != ErrorCode::kUnsupported && code != ErrorCode::kCorrupt &&
      code != ErrorCode::kNotFound && code != ErrorCode::kInvalidArgument) {
    throw;
  }
  if (const auto* refused = dynamic_cast<const RefusedError*>(&error)) {
    bool fresh = false;
    for (const Refusal& refusal : refused->refusals()) fresh |= add(code, refusal);
    return fresh;
  }
  return add(code, {std::string(kind), std::string(file), "", "",
                    std::string(bare_text(error.what(), file))});
}

void RefusalList::throw_if_any(std::string_view room) const {
  if (!refusals_.empty()) throw RefusedError(code_, room, refusals_);
}

}  // namespace ingot
