// What `ingot bench serve` asks: random words, random ids, or a file's prompts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace ingot {

struct ServePrompt {
  Json prompt;  // a text, ids, or messages
  bool messages = false;
  int64_t output = 0;  // most tokens of the answer
};

// `length` common English words: about as many tokens, another text for each `index`.
std::string random_words(int64_t seed, int64_t index, int64_t length);
// Ids of 3 to `vocab` - 1: the first ones begin and end texts.
Json random_ids(int64_t seed, int64_t index, int64_t length, int64_t vocab);

// JSON lines, or one list, of {"prompt" | "input_ids" | "messages" | "conversations" (ShareGPT's),
// "max_tokens" | "output_tokens"}. Error{kCorrupt, kNotFound} naming the line.
std::vector<ServePrompt> read_serve_dataset(const std::string& path, int64_t output);

// The body of a request; `chat`: for /v1/chat/completions.
Json serve_body(const ServePrompt& prompt, bool chat);

}  // namespace ingot
