// What each choice of a request must stream from the oracle model, worked out from tokens alone:
// no scheduler, no pages, no batches.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/oracle_model.h"

namespace ingot {

struct ExpectedStream {
  std::vector<TokenId> tokens;
  FinishReason finish = FinishReason::kLength;
};

inline bool is_end_token(const SamplingParams& p, TokenId token) {
  return std::count(p.stop_token_ids.begin(), p.stop_token_ids.end(), token) > 0 ||
         std::count(p.eos_token_ids.begin(), p.eos_token_ids.end(), token) > 0;
}

inline bool ends_answer(const SamplingParams& p, TokenId token, int64_t output_len) {
  auto in = [&](const std::vector<TokenId>& ids) {
    return std::find(ids.begin(), ids.end(), token) != ids.end();
  };
  return output_len > p.min_tokens &&
         (in(p.stop_token_ids) || (!p.ignore_eos && in(p.eos_token_ids)));
}

inline ExpectedStream expected_stream(const ModelLimits& limits, int64_t room,
                                      const Request& request, int32_t choice) {
  ExpectedStream out;
  std::vector<TokenId> tokens = request.prompt;
  const SamplingParams& p = request.sampling;
  if (p.max_tokens <= 0) return out;
  while (true) {
    const TokenId token = oracle_next(limits, tokens, request, choice);
    tokens.push_back(token);
    out.tokens.push_back(token);
    const auto count = static_cast<int64_t>(out.tokens.size());
    if (ends_answer(p, token, count)) {
      out.finish = FinishReason::kStop;
      return out;
    }
    if (count >= p.max_tokens || static_cast<int64_t>(tokens.size()) >= room) return out;
  }
}

// Beam search written a second time, over whole token lists.
inline std::vector<ExpectedStream> expected_beams(const ModelLimits& limits, int64_t room,
                                                  const Request& request) {
  struct Beam {
    double score = 0;
    std::vector<TokenId> tokens;
  };
  const SamplingParams& p = request.sampling;
  const auto width = static_cast<size_t>(p.beam_width);
  const size_t prompt = request.prompt.size();
  if (p.max_tokens <= 0) return std::vector<ExpectedStream>(static_cast<size_t>(p.n));
  std::vector<Beam> beams{{0, request.prompt}};
  std::vector<std::pair<double, ExpectedStream>> done;
  for (int64_t length = 1;; ++length) {
    std::vector<Beam> all;
    for (const Beam& beam : beams) {
      const size_t ends = p.stop_token_ids.size() + p.eos_token_ids.size();
      auto top = oracle_top(limits, beam.tokens, 2 * width + ends);
      std::erase_if(top, [&](const auto& candidate) {
        return length <= p.min_tokens && is_end_token(p, candidate.first);
      });
      top.resize(std::min(top.size(), 2 * width));
      for (const auto& [token, logprob] : top) {
        all.push_back({beam.score + static_cast<double>(logprob), beam.tokens});
        all.back().tokens.push_back(token);
      }
    }
    if (all.empty()) return std::vector<ExpectedStream>(p.n, {{}, FinishReason::kBadLogits});
    std::stable_sort(all.begin(), all.end(), [](const Beam& a, const Beam& b) {
      return a.score != b.score ? a.score > b.score : a.tokens < b.tokens;
    });
    const bool last = length >= p.max_tokens || static_cast<int64_t>(prompt) + length >= room;
    const double norm = std::pow(static_cast<double>(length), p.length_penalty);
    std::vector<Beam> next;
    for (size_t rank = 0; rank < all.size() && next.size() < width; ++rank) {
      const bool ends = ends_answer(p, all[rank].tokens.back(), length);
      if (!ends) next.push_back(all[rank]);
      if ((ends && rank < width) || (!ends && last)) {
        ExpectedStream stream;
        stream.tokens.assign(all[rank].tokens.begin() + static_cast<ptrdiff_t>(prompt),
                             all[rank].tokens.end());
        stream.finish = ends ? FinishReason::kStop : FinishReason::kLength;
        done.emplace_back(all[rank].score / norm, std::move(stream));
      }
    }
    std::stable_sort(done.begin(), done.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    if (done.size() > width) done.resize(width);
    if (last || next.empty() ||
        (done.size() == width && next[0].score / norm <= done.back().first)) {
      break;
    }
    beams = std::move(next);
  }
  std::vector<ExpectedStream> out;
  for (size_t c = 0; c < static_cast<size_t>(p.n); ++c) {
    out.push_back(c < done.size() ? done[c].second : ExpectedStream{{}, FinishReason::kStop});
  }
  return out;
}

}  // namespace ingot
