// Time behind an interface, so that schedulers and tuners run under a fake clock in tests.
#pragma once

#include <chrono>
#include <cstdint>

namespace ingot {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t now_ns() const = 0;  // monotonic
};

class SteadyClock final : public Clock {
 public:
  int64_t now_ns() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

class FakeClock final : public Clock {
 public:
  int64_t now_ns() const override { return now_; }
  void advance_ns(int64_t delta) { now_ += delta; }

 private:
  int64_t now_ = 0;
};

// Milliseconds since construction or the last restart().
class Stopwatch {
 public:
  double ms() const { return static_cast<double>(clock_.now_ns() - start_) * 1e-6; }
  void restart() { start_ = clock_.now_ns(); }

 private:
  SteadyClock clock_;
  int64_t start_ = clock_.now_ns();
};

}  // namespace ingot
