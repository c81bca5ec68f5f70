// The keys that callers may show.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace ingot {

// Compared by digest, all of them and as many, in the same time whatever they are: it tells a
// caller neither how much of a key was right, nor how long keys are, nor which one it was, nor (but
// for multiples of kRound) how many there are. The time depends on the length of what is shown,
// which its caller knows. tests/server/api_key_timing_tool.cc measures that. Thread safe.
class ApiKeys {
 public:
  static constexpr size_t kRound = 16;

  explicit ApiKeys(const std::vector<std::string>& keys);
  bool empty() const { return digests_.empty(); }
  // The tenant that a key stands for.
  std::optional<Hash128> tenant_of(std::string_view key) const;

 private:
  using Digest = std::array<std::byte, 32>;
  static Digest digest_of(std::string_view key);

  std::vector<Digest> digests_;  // kRound, 2 kRound, …: the last is there more than once
};

}  // namespace ingot
