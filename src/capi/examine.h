// Whether a model will run, and everything that is in the way.
#pragma once

#include <memory>
#include <string>

#include "base/refusal.h"
#include "models/contract/model_def.h"

namespace ingot {

// Every reason why `ingot run` would refuse the source: of its architecture, config and weights
// (examine_model), the length of its sequences, its tokenizer and its chat template. The graph
// where the model itself is not refused.
std::unique_ptr<Graph> examine_source(const ModelSource& source, RefusalList& refused);

}  // namespace ingot
