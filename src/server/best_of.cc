#include "server/best_of.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace ingot {

double mean_logprob(const Generation& result) {
  if (result.logprobs.empty()) return -std::numeric_limits<double>::infinity();
  double sum = 0;
  for (const TokenLogprobs& one : result.logprobs) sum += static_cast<double>(one.chosen);
  return sum / static_cast<double>(result.logprobs.size());
}

std::vector<int32_t> best_indices(const std::vector<double>& scores, int32_t kept) {
  std::vector<int32_t> out(scores.size());
  std::iota(out.begin(), out.end(), 0);
  std::stable_sort(out.begin(), out.end(), [&](int32_t a, int32_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  out.resize(std::min(out.size(), static_cast<size_t>(kept)));
  return out;
}

std::vector<int32_t> answered_choices(const Answers& answers, const GenerationWish& wish) {
  const int32_t drawn = wish.input.sampling.n;
  std::vector<int32_t> out;
  for (int32_t first = 0; first < answers.choices(); first += drawn) {
    std::vector<double> scores(static_cast<size_t>(drawn), 0.0);
    if (drawn > wish.choices) {
      for (int32_t c = 0; c < drawn; ++c) {
        scores[static_cast<size_t>(c)] = mean_logprob(answers.result(first + c));
      }
    }
    for (const int32_t c : best_indices(scores, wish.choices)) out.push_back(first + c);
  }
  return out;
}

}  // namespace ingot
