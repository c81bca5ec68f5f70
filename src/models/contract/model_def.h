// The contract of a model architecture: models/<name>.cc defines `const ModelDef& <name>_model()`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "graph/graph.h"
#include "loaders/model_source.h"
#include "models/contract/config_keys.h"
#include "models/contract/weight_transform.h"

namespace ingot {

// One tensor of the model under the names of each kind of file. `checkpoint` may be shared by
// several rows of the table (query, key and value make one qkv): they follow each other there.
struct WeightName {
  std::string hf;  // also what build() asks for; unlike the file's where from_hf.stored says so
  std::string gguf;
  std::string checkpoint;
  Shape shape;                     // canonical: [out, in]
  bool optional = false;           // a bias that some checkpoints have
  WeightTransform from_gguf = {};  // from the file's tensor to the canonical one
  WeightTransform from_hf = {};
  // Other layouts, each with a name in `stored`: the first one that a file has a tensor of is
  // taken.
  std::vector<WeightTransform> or_from_gguf = {};
  std::vector<WeightTransform> or_from_hf = {};
  bool as_stored = false;  // no dtype converts it: numbers that graphs are made with
};

struct BuildOptions {
  // Element type of weights and activations; without it weights stay as stored, activations follow
  // the weights (bfloat16 for bfloat16) and are float32 beside block formats.
  std::optional<DType> dtype;
  std::optional<DType> kv_dtype;  // default: the activations' type
  // Longest sequence, where it is not the model's own: rotations that depend on it (longrope) are
  // chosen by it.
  std::optional<int64_t> max_seq_len;
  // A decoder's graph ends in hidden states behind its last norm, for embeddings, not in logits.
  bool embeds = false;
};

// A published model known by its shapes alone: what `--random-weights` measures without a download.
struct Preset {
  std::string_view name;
  std::string_view config;     // JSON: facts of its config.json, as the keys there state them
  double billions;             // of parameters, as published
  std::string_view note = {};  // where it is not the published architecture
};

struct ModelDef {
  std::string_view name;  // checkpoint "architecture", equal to the file's stem
  // Other names: Hugging Face classes ("LlamaForCausalLM") and GGUF architectures ("llama").
  std::vector<std::string_view> architectures;
  // Whether a source is this architecture although it bears another one's name; asked before names.
  bool (*claims)(const ModelSource& source) = nullptr;
  std::vector<ConfigKey> keys = {};  // its own beside common_keys()
  // The "position_embedding_type" its checkpoints may have; others are refused. The first is
  // written, unless the parsed config has a key for it.
  std::vector<std::string_view> position_embeddings = {"rope_gpt_neox"};
  // What Hugging Face files may put before the names of the table: tried in this order for each
  // tensor. None: names stand as they are.
  std::vector<std::string_view> hf_prefixes = {};
  // Tensors of a file that no weight stands for, with * for any text: buffers, masks.
  std::vector<std::string_view> ignored = {};
  // The config in Hugging Face terms, checked, with every default filled in. `raw` is what
  // source_config() gives; `source` serves for what no key states, and for messages. Throws
  // Error{kCorrupt, kUnsupported} naming file, key, expected and found.
  Json (*parse_config)(const ModelSource& source, const Json& raw);
  std::vector<WeightName> (*weights)(const Json& config);
  // `weights` answers to the hf names of the table above, in the canonical layout.
  void (*build)(const Json& config, const WeightSource& weights, const BuildOptions& options,
                Graph& graph);
  std::vector<Preset> presets = {};
  bool answers = true;   // with tokens, to text: what 'ingot run' is for
  bool encodes = false;  // to hidden states of all tokens: what 'ingot embed' is for
};

// Generated from models/*.cc.
const std::vector<const ModelDef*>& models_model_list();
// Adds a model that lives elsewhere (tests); it must have static lifetime. Thread safe.
// Error{kInvalidArgument} when one of its names is taken.
void register_model(const ModelDef& model);
// By any of its names. Error{kUnsupported} lists what is known and names the nearest. Thread safe.
const ModelDef& find_model(std::string_view architecture);
// The model that claims the source, else by its architecture. Errors name the config's file.
const ModelDef& find_model(const ModelSource& source);

// The config of a source as `model` reads it: source_config, parse_config. RefusedError of all that
// they refuse, and of what a source asks for and no model here computes (quantization, other
// positions, dtypes): the values of a config that do not depend on each other are told together.
Json model_config(const ModelSource& source, const ModelDef& model);

// A model source seen through its architecture's table: hf names and the canonical layout for every
// kind. RefusedError naming the file and each tensor that is missing, of another shape or type, or
// (GGUF) unknown.
std::shared_ptr<const WeightSource> canonical_weights(const ModelSource& source,
                                                      const ModelDef& model, const Json& config);

// Builds the graph of a source: find_model, model_config, canonical_weights, build.
std::unique_ptr<Graph> build_model(const ModelSource& source, const BuildOptions& options);

// The same with everything that is refused in `refused`; null where there is something. Weights are
// looked at where the refused values of the config leave the names and shapes of weights as they
// are.
std::unique_ptr<Graph> examine_model(const ModelSource& source, RefusalList& refused);

// Writes a checkpoint directory (loaders/checkpoint.h) from any source.
void convert_model(const ModelSource& source, const BuildOptions& options,
                   const std::string& directory);

}  // namespace ingot
