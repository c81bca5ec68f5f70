// Plan rewriting at load for low-rank adapters.
#pragma once

#include <vector>

#include "engine/executor.h"

namespace ingot {

// Adds a lora_delta step behind each linear step whose weight holds an adapter's tensor. The engine
// gains the tensors a and b. Error{kInvalidArgument} when a tensor or shape does not fit.
void apply_adapters(Engine& engine, const std::vector<Adapter>& adapters);

}  // namespace ingot
