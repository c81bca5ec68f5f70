#include "runtime/rotations.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "runtime/rotations";

}  // namespace

int32_t Rotations::set_of(int64_t prompt, int64_t longest) const {
  if (by == By::kToken && !lengths.empty()) {
    return static_cast<int32_t>(std::max<int64_t>(prompt - lengths[0], 0));
  }
  const int64_t length = by == By::kPrompt ? prompt : longest;
  return static_cast<int32_t>(std::lower_bound(lengths.begin(), lengths.end(), length) -
                              lengths.begin());
}

Rotations read_rotations(const Plan& plan) {
  const auto bad = [&](const std::string& what) {
    fail(ErrorCode::kUnsupported, kWhere, "plan '{}': {}", plan.name, what);
  };
  Rotations out;
  const bool fed = std::any_of(plan.inputs.begin(), plan.inputs.end(), [&](int id) {
    return plan.values[static_cast<size_t>(id)].name == kRotationsInput;
  });
  const auto stated = plan.metadata.find("rotation_lengths");
  if (fed != (stated != plan.metadata.end())) {
    bad(fmt::format("expected rotation_lengths and an input '{}', found one of them",
                    kRotationsInput));
  }
  if (!fed) return out;
  const std::string& text = stated->second;
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    int64_t length = 0;
    const auto [next, error] = std::from_chars(at, end, length);
    const bool good = error == std::errc() && (next == end || *next == ',') &&
                      length > (out.lengths.empty() ? 0 : out.lengths.back());
    if (!good) bad(fmt::format("rotation_lengths: expected ascending lengths, found '{}'", text));
    out.lengths.push_back(length);
    if (next == end) break;
    at = next + 1;
  }
  const auto by = plan.metadata.find("rotation_by");
  const std::string measure = by == plan.metadata.end() ? "" : by->second;
  if (measure != "prompt" && measure != "sequence" && measure != "token") {
    bad(fmt::format("rotation_by: expected prompt, sequence or token, found '{}'", measure));
  }
  out.by = measure == "prompt"  ? Rotations::By::kPrompt
           : measure == "token" ? Rotations::By::kToken
                                : Rotations::By::kSequence;
  if (out.by == Rotations::By::kToken && out.lengths.size() != 1) {
    bad(fmt::format("rotation_lengths by token: expected one length, found '{}'", text));
  }
  return out;
}

}  // namespace ingot
