// The fields of an architecture's config under their names in each kind of file. A model declares
// its own rows in ModelDef::keys; the rows that every decoder has stand here.
#pragma once

#include <string_view>
#include <vector>

#include "loaders/model_source.h"

namespace ingot {

struct ConfigKey {
  enum class Type { kAny, kInt, kFloat, kBool, kString };

  std::string_view name;        // in the config that a model sees: Hugging Face's name
  std::string_view checkpoint;  // in a checkpoint's config.json; "": not kept there
  std::string_view gguf = {};   // GGUF metadata key behind "<architecture>."; "": not stated there
  Type type = Type::kAny;       // of the GGUF value
  bool gguf_required = false;   // a GGUF file without it is refused
  Json fallback = nullptr;      // where a source has no value or null; null: none
};

// DESIGN section 5's fields, and the special tokens. A model's own row with the same checkpoint key
// replaces a row (another Hugging Face or GGUF name).
const std::vector<ConfigKey>& common_keys();
// head_dim, rope_theta, rope_scaling and partial_rotary_factor, for models with rotary embeddings;
// `own` is put behind.
std::vector<ConfigKey> with_rotary_keys(std::vector<ConfigKey> own);
// The epsilon of layer norms under its Hugging Face name.
ConfigKey layer_norm_key(std::string_view name);
// The window of attention, of all layers or of some.
ConfigKey sliding_window_key();
// common_keys() as `own` changes them, then the rest of `own`.
std::vector<ConfigKey> all_keys(const std::vector<ConfigKey>& own);

// The source's config under Hugging Face's names, unchecked. config.json of a Hugging Face
// directory comes as it is, with fallbacks; of other sources only the fields in `keys` are seen.
// GGUF has no fields for vocab_size and tie_word_embeddings: they follow from its tensors.
// Error{kCorrupt} naming the file, the key as it stands there, expected and found.
Json source_config(const ModelSource& source, const std::vector<ConfigKey>& keys);
// Fields of a checkpoint's config.json from a parsed config.
Json checkpoint_fields(const Json& config, const std::vector<ConfigKey>& keys);

// GGUF's rope scaling in Hugging Face's terms, added to `config`. Error{kUnsupported} for what no
// model here computes, factors given as a tensor among it.
void add_gguf_rope_scaling(const GgufFile& file, Json& config);

}  // namespace ingot
