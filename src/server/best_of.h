// The best of the choices that were drawn for a prompt.
#pragma once

#include <vector>

#include "runtime/answer_text.h"
#include "server/answers.h"
#include "server/generation_fields.h"

namespace ingot {

// Mean log probability of an answer's tokens; -infinity of one without.
double mean_logprob(const Generation& result);

// Indices of the `kept` largest, largest first; of equal ones the first.
std::vector<int32_t> best_indices(const std::vector<double>& scores, int32_t kept);

// The choices to answer, request after request; all in order where no more were drawn.
std::vector<int32_t> answered_choices(const Answers& answers, const GenerationWish& wish);

}  // namespace ingot
