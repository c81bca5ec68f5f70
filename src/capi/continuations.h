// Continuations of a real model: a file of prompts with every greedy token that a reference drew in
// float32, checked by the table of tolerances.
#pragma once

#include <string>
#include <vector>

#include "capi/golden.h"

namespace ingot {

// True for a .json file; a golden case is a folder.
bool is_continuations_file(const std::string& path);

// One result a case, in the file's order. `model` is anything that build_engine() takes. Weights
// stay as they are stored where float32 is asked for, unless GoldenOptions::arithmetic says
// otherwise. The reference's tokens are fed in. In float32 every token must be the reference's; in
// 16 bits another one passes where the reference's own gap is at most 0.5. max_error is that of the
// logarithms of the probabilities listed for the first token (allowed: 1e-3 in float32, else 0.5).
// Errors as build_engine(), and kCorrupt naming the file where it is not such a file.
std::vector<GoldenResult> run_continuations(const std::string& path, const std::string& model,
                                            const GoldenOptions& options, Device& device);

}  // namespace ingot
