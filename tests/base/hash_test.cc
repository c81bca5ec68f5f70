#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>

namespace ingot {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Examples of FIPS 180-2 and its empty message.
TEST(Sha256, PublishedExamples) {
  const auto digest = [](std::string_view text) {
    Sha256 sha;
    sha.update(bytes(text));
    return sha.hex_digest();
  };
  EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesEqualTheWhole) {
  Sha256 pieces;
  pieces.update(bytes("ab"));
  pieces.update(bytes(""));
  pieces.update(bytes("c"));
  EXPECT_EQ(pieces.hex_digest(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// The empty input of XXH3's 128-bit variant, as its specification prints it.
TEST(Hash128, KnownValueAndHex) {
  EXPECT_EQ(hash128("").hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ((Hash128{.low = 1, .high = 0xab}).hex(), "00000000000000ab0000000000000001");
}

TEST(Hash128, StreamEqualsWholeAndEveryByteCounts) {
  std::string text(1000, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7);
  Hasher128 stream;
  for (size_t i = 0; i < text.size(); i += 13) stream.update(std::string_view(text).substr(i, 13));
  EXPECT_EQ(stream.digest(), hash128(text));
  for (size_t i = 0; i < text.size(); i += 37) {
    std::string other = text;
    other[i] = static_cast<char>(other[i] ^ 1);
    EXPECT_NE(hash128(other), hash128(text)) << i;
  }
}

TEST(Hash64, SeedChangesIt) { EXPECT_NE(hash64(bytes("abc"), 0), hash64(bytes("abc"), 1)); }

}  // namespace
}  // namespace ingot
