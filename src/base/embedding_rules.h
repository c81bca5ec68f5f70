// What a model says about making one vector of a text. In base because loaders read it from model
// files and runtime from engine files, and both see no other room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ingot {

// Which hidden states become the vector: their mean, that of the first token, that of the last.
enum class Pooling : uint8_t { kMean, kFirst, kLast };
std::string_view pooling_name(Pooling pooling);  // "mean", "cls", "last"
std::optional<Pooling> parse_pooling(std::string_view name);

struct EmbeddingRules {
  Pooling pooling = Pooling::kMean;
  bool normalize = true;   // to length 1
  int64_t max_tokens = 0;  // of a text, added tokens included; 0: as many as there are positions
  std::string prompt;      // put before every text
  // Lengths of shorter vectors that the first numbers of a vector make, as the model was trained
  // (Matryoshka); `any_dimensions`: all of them.
  std::vector<int64_t> dimensions;
  bool any_dimensions = false;

  bool operator==(const EmbeddingRules&) const = default;
};

// The one JSON form: an engine's section "embedding". What was written reads back equal.
Json embedding_rules_to_json(const EmbeddingRules& rules);
// Error{kCorrupt} naming `file`, key, expected and found.
EmbeddingRules embedding_rules_from_json(const Json& json, std::string_view file);

// `dimensions` for shorter vectors of a model, into `rules`: "is_matryoshka" and
// "matryoshka_dimensions" of its config. Errors as above.
void read_matryoshka(const Json& config, std::string_view file, EmbeddingRules& rules);

}  // namespace ingot
