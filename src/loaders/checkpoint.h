// Ingot's checkpoint directory: config.json, rank{N}.safetensors, tokenizer files. The format is
// described in docs/checkpoint.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "loaders/model_source.h"
#include "loaders/weight_source.h"

namespace ingot {

// Whether a directory's config.json is a checkpoint's: it has an "architecture" key, and
// rank0.safetensors lies beside it or no key of Hugging Face's names the model.
bool is_checkpoint(const Json& config, const std::string& directory);

// Fills in the defaults and checks the fields. Error{kCorrupt} naming `file`, the key, the expected
// and the found value; {kUnsupported} for an unknown dtype or quant_algo.
Json complete_checkpoint_config(const Json& config, std::string_view file);

// The weights of a checkpoint; block-encoded ones come back with their BlockFormat and logical
// shape. Error{kUnsupported} when mapping.world_size > 1.
std::shared_ptr<const WeightSource> open_checkpoint_weights(const std::string& directory,
                                                            const Json& config);

// One tensor of the checkpoint: the sources are concatenated along axis 0 (query, key and value
// make one qkv). Where their element types differ (a Q4_K_M file mixes formats) they are kept as
// segments `<name>.segment.<i>`, neighbours of one type joined.
struct CheckpointTensor {
  std::string name;
  std::vector<std::string> sources;
};

// The tensor, or its segments in order. Error{kNotFound} when there is neither.
std::vector<const WeightInfo*> checkpoint_segments(const WeightSource& weights,
                                                   std::string_view name);

struct CheckpointSizes {
  uint64_t weight_bytes = 0;  // rank0.safetensors
  uint64_t tensors = 0;       // in it
};

// Error{kInvalidArgument} unless `directory` is an empty folder or does not exist: asked first by
// who has long work to do before write_checkpoint().
void check_checkpoint_target(const std::string& directory);

// Writes `directory` as a whole or not at all: the files go to a sibling folder that is renamed at
// the end. Error{kInvalidArgument} as check_checkpoint_target(), {kNotFound} for a
// missing source tensor, {kCorrupt} for sources that do not fit together, {kIo} from the system.
// `model` gives the tokenizer files, chat template and generation defaults; `weights` may be
// another view of its tensors (dequantized, permuted).
CheckpointSizes write_checkpoint(const std::string& directory, const Json& config,
                                 const WeightSource& weights,
                                 std::span<const CheckpointTensor> tensors,
                                 const ModelSource& model);

}  // namespace ingot
