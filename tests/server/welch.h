// Whether calls of two classes take different times: Welch's t of interleaved measurements, all of
// them and without those that something else held up.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace ingot {

struct TimedCall {
  uint32_t ns = 0;
  uint8_t of = 0;  // its class, 0 or 1
};

struct ClassTimes {
  int64_t count = 0;
  double mean = 0, squares = 0;  // squares of the distances to the mean, summed
  void add(double ns) {
    ++count;
    const double off = ns - mean;
    mean += off / static_cast<double>(count);
    squares += off * (ns - mean);
  }
};

// The difference of the means over its standard error. Infinite: both classes never vary and
// differ; 0: they are equal. NaN: fewer than two calls of a class.
inline double welch_t(const ClassTimes& a, const ClassTimes& b) {
  if (a.count < 2 || b.count < 2) return NAN;
  const auto share = [](const ClassTimes& one) {
    const auto count = static_cast<double>(one.count);
    return one.squares / (count - 1) / count;
  };
  const double apart = a.mean - b.mean;
  return apart == 0 ? 0 : apart / std::sqrt(share(a) + share(b));
}

struct WelchCrop {
  double kept = 1;       // part of the calls, of both classes together, whose times count
  uint32_t most_ns = 0;  // theirs
  std::array<ClassTimes, 2> classes;
  double t = 0;
};

// One for each part. The bound on the times is that part's quantile of both classes together: it
// cannot take from one class what it leaves to the other unless their times differ.
inline std::vector<WelchCrop> welch_crops(std::span<const TimedCall> calls,
                                          std::span<const double> parts) {
  std::vector<uint32_t> ordered;
  ordered.reserve(calls.size());
  for (const TimedCall& call : calls) ordered.push_back(call.ns);
  std::sort(ordered.begin(), ordered.end());
  std::vector<WelchCrop> out;
  for (const double part : parts) {
    WelchCrop crop{.kept = part};
    if (!ordered.empty()) {
      const auto at = static_cast<size_t>(part * static_cast<double>(ordered.size()));
      crop.most_ns = ordered[std::min(at, ordered.size() - 1)];
    }
    for (const TimedCall& call : calls) {
      if (call.ns <= crop.most_ns) crop.classes.at(call.of).add(call.ns);
    }
    crop.t = welch_t(crop.classes[0], crop.classes[1]);
    out.push_back(crop);
  }
  return out;
}

}  // namespace ingot
