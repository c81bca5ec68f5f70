// Changing a model's element type, and its config in checkpoint terms.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "models/contract/model_def.h"

namespace ingot {

// The same tensors with every weight in `dtype`: block formats are decoded, floats rounded to
// nearest even. Tensors that have the type already and those named in `kept` are not copied.
// Conversion happens at once and in parallel; the result owns its copies.
std::shared_ptr<const WeightSource> convert_weights(std::shared_ptr<const WeightSource> source,
                                                    DType dtype,
                                                    const std::set<std::string>& kept = {});

// config.json of a checkpoint (DESIGN section 5) from a parsed Hugging Face config.
Json checkpoint_config(const ModelDef& model, const Json& config, const WeightSource& weights);

}  // namespace ingot
