// The control files of a Hugging Face model directory: config.json, generation_config.json,
// tokenizer files, chat template. Keys as in huggingface/transformers' PretrainedConfig,
// GenerationConfig and modeling_rope_utils.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/generation_defaults.h"
#include "base/json.h"

namespace ingot {

// Rotary embedding parameters, from "rope_theta" + "rope_scaling" or from "rope_parameters".
struct RopeConfig {
  double theta = 10000.0;
  std::string type = "default";  // default, linear, dynamic, yarn, llama3, longrope
  double factor = 1.0;
  bool factor_stated = false;
  double low_freq_factor = 1.0;       // llama3
  double high_freq_factor = 4.0;      // llama3
  int64_t original_max_position = 0;  // 0: not given
  std::optional<double> attention_factor;
  double beta_fast = 32.0;  // yarn
  double beta_slow = 1.0;   // yarn
  std::optional<double> mscale;
  std::optional<double> mscale_all_dim;
  bool truncate = true;              // yarn: its range of dimensions is made of whole numbers
  std::vector<double> short_factor;  // longrope
  std::vector<double> long_factor;   // longrope
  double partial_rotary_factor = 1.0;
};

// How many dimensions of a head are rotated: the whole ones of head_dim * partial_rotary_factor,
// which may itself come from such a number.
int64_t rotary_dim(const RopeConfig& rope, int64_t head_dim);

// Reads either key style. `layer_type` ("sliding_attention", "full_attention") picks the entry
// where rope_parameters is keyed by it. Error{kCorrupt} for fields of a wrong type,
// {kUnsupported} naming an unknown type. `file` names the source in messages.
RopeConfig read_rope_config(const Json& config, std::string_view file,
                            std::string_view layer_type = {});

// "dtype" or "torch_dtype"; nullopt when absent, null or "auto". Error{kUnsupported} otherwise.
std::optional<DType> read_config_dtype(const Json& config, std::string_view file);

// generation_config.json's fields; what `generation` lacks of the token ids comes from `config`,
// whose vocab_size bounds top_k and end tokens. Either may be null. Errors as
// generation_defaults_from_json(), naming the one of the two files.
GenerationDefaults read_generation_defaults(const Json& generation, const Json& config,
                                            std::string_view file, std::string_view config_file);

// The template of tokenizer_config.json: a string, or the entry named "default" of a list. Empty
// when there is none.
std::string read_chat_template(const Json& tokenizer_config, std::string_view file);

// The directory's small files, read whole; an absent file leaves its field empty (or null).
struct HfFiles {
  Json config;
  Json generation_config;
  std::string tokenizer_json;
  std::string tokenizer_config_json;
  // Without tokenizer.json: the tokenizer in another format, and tokenizer_config_json with what
  // other files add to it (text/tokenizer_files.h).
  std::string tokenizer_file_name;
  std::string tokenizer_file;
  std::string chat_template;  // chat_template.jinja, else tokenizer_config.json's
  // Files that were read, as names in the directory, sorted.
  std::vector<std::string> names;
};

// Error{kNotFound} when there is no config.json, {kIo, kCorrupt} naming the file otherwise.
HfFiles read_hf_files(const std::string& directory);

}  // namespace ingot
