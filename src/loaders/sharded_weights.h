// Weights of a Hugging Face directory, in one file or in several.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "loaders/weight_source.h"

namespace ingot {

// One file: PyTorch's where its name ends with .bin, else safetensors. Errors as theirs.
std::shared_ptr<const WeightTable> open_weights_file(const std::string& path);

// One table over the shards that an index (model.safetensors.index.json) lists; shards lie beside
// it, each is opened once. Error{kCorrupt} when a shard name leaves the directory, a listed tensor
// is not in its shard, or a shard holds a tensor that the index gives to another; kNotFound for a
// missing shard.
std::shared_ptr<const WeightSource> open_sharded_weights(const std::string& index_path);

// Whether a file of a model's folder can hold its weights: *.safetensors, but no adapter*.
bool is_model_safetensors(std::string_view name);

// model.safetensors.index.json, else model.safetensors, else the only other file that
// is_model_safetensors(), else, where there is none, pytorch_model.bin.index.json or
// pytorch_model.bin. Error{kNotFound} naming what was looked for.
std::shared_ptr<const WeightSource> open_weights_directory(const std::string& directory);

}  // namespace ingot
