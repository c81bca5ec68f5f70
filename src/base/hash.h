// Content hashes: XXH3-128 for our own files and caches, SHA-256 where the outside world uses it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ingot {

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
  std::string hex() const;  // 32 lower-case digits, high first
};

Hash128 hash128(std::span<const std::byte> bytes);
Hash128 hash128(std::string_view text);
uint64_t hash64(std::span<const std::byte> bytes, uint64_t seed = 0);

// Streaming XXH3-128. Not thread safe.
class Hasher128 {
 public:
  Hasher128();
  ~Hasher128();
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text.data(), text.size()))); }
  Hash128 digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Streaming SHA-256. Not thread safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(std::span<const std::byte> bytes);
  // Each ends the stream.
  std::array<std::byte, 32> digest();
  std::string hex_digest();  // 64 lower-case digits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ingot
