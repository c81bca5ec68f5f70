#include "server/api_keys.h"

#include <openssl/crypto.h>

#include <span>

namespace ingot {

ApiKeys::ApiKeys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) digests_.push_back(digest_of(key));
  while (digests_.size() % kRound != 0) digests_.push_back(Digest(digests_.back()));
}

ApiKeys::Digest ApiKeys::digest_of(std::string_view key) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(key.data(), key.size())));
  return hash.digest();
}

std::optional<Hash128> ApiKeys::tenant_of(std::string_view key) const {
  const Digest shown = digest_of(key);
  bool known = false;
  for (const Digest& digest : digests_) {
    known |= CRYPTO_memcmp(digest.data(), shown.data(), digest.size()) == 0;
  }
  if (!known) return std::nullopt;
  return hash128(shown);
}

}  // namespace ingot
