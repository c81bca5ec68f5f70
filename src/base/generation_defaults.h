// What a model says about generating from it: end tokens and sampling defaults. In base because
// loaders read it from model files and runtime from engine files, and both see no other room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ingot {

// What to sample with unless a request says otherwise. Absent fields were not given.
struct GenerationDefaults {
  std::vector<int64_t> eos_ids;
  std::optional<int64_t> bos_id;
  std::optional<int64_t> pad_id;
  std::optional<bool> do_sample;  // Hugging Face decodes greedily unless this is true
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<int64_t> top_k;  // 0: off
  std::optional<double> repetition_penalty;
  // How Qwen 1 names the form of its chats: "chatml" ends answers at <|im_start|> and <|im_end|>.
  std::optional<std::string> chat_format;

  bool operator==(const GenerationDefaults&) const = default;
};

// The one JSON form, with the keys of Hugging Face's generation_config.json: that file, the one of
// a checkpoint, and an engine's section "generation". What was written reads back equal.
Json generation_defaults_to_json(const GenerationDefaults& defaults);

// Unknown keys are ignored, null counts as absent, and so does a `json` that is null; an id may
// stand for a list of one. `vocab_size` bounds top_k; 0: not known, then 2^31 - 1 does.
// Error{kCorrupt} naming `file` (the source), key, expected and found.
GenerationDefaults generation_defaults_from_json(const Json& json, std::string_view file,
                                                 int64_t vocab_size);

}  // namespace ingot
