// Models of random weights in the shapes of published ones (ModelDef::presets).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/contract/model_def.h"

namespace ingot {

// Those of all models.
const std::vector<Preset>& presets();
// Error{kNotFound} lists what there is.
const Preset& find_preset(std::string_view name);

// "random:llama-3.1-8b" names a model of random weights.
inline constexpr std::string_view kRandomPrefix = "random:";
bool is_random_model(std::string_view model);

// A source of the preset's shapes in `dtype` (bfloat16 unless given): norms are 1, all else is
// uniform with a deviation of 0.02, seeded by `seed` and each tensor's name; no tensor has bytes.
// It has no tokenizer. Error{kNotFound} as find_preset.
ModelSource random_source(std::string_view model, std::optional<DType> dtype, uint64_t seed = 0);

}  // namespace ingot
