// For log lines about what may happen many times a second.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace ingot {

class Seldom {
 public:
  // `clock` outlives it.
  Seldom(const Clock& clock, int64_t between_ns) : clock_(clock), between_ns_(between_ns) {}

  // The first time, and when `between_ns` have passed since it last was. One thread at a time.
  bool due() {
    const int64_t now = clock_.now_ns();
    if (last_ && now - *last_ < between_ns_) return false;
    last_ = now;
    return true;
  }

 private:
  const Clock& clock_;
  const int64_t between_ns_;
  std::optional<int64_t> last_;
};

}  // namespace ingot
