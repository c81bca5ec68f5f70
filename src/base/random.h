// Counter-based random numbers: value i of a stream depends on (seed, i) alone.
#pragma once

#include <cmath>
#include <cstdint>

namespace ingot {

// SplitMix64 finalizer (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
// 2014).
inline uint64_t random_u64(uint64_t seed, uint64_t counter) {
  uint64_t z = seed + 0x9e3779b97f4a7c15ull * (counter + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}
// Uniform in [0, 1) with 53 bits.
inline double random_unit(uint64_t seed, uint64_t counter) {
  return static_cast<double>(random_u64(seed, counter) >> 11) * 0x1p-53;
}
// Uniform integer in [0, n).
inline uint64_t random_below(uint64_t seed, uint64_t counter, uint64_t n) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(random_u64(seed, counter)) * n) >>
                               64);
}
// Standard normal by Box-Muller from two draws.
inline double random_normal(uint64_t seed, uint64_t counter) {
  const double u = 1.0 - random_unit(seed, 2 * counter);
  const double v = random_unit(seed, 2 * counter + 1);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
}

}  // namespace ingot
