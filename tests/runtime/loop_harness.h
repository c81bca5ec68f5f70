// A small oracle model's limits, requests for it and the answers read from an outbox.
#pragma once

#include <vector>

#include "runtime/loop.h"
#include "runtime/oracle_model.h"

namespace ingot {

inline ModelLimits small_limits() {
  ModelLimits limits;
  limits.vocab_size = 64;
  limits.max_seq_len = 256;
  limits.max_batch_rows = 4;
  limits.max_batch_tokens = 48;
  limits.state_groups = {{"kv", KvKind::kPaged, 12, 0}};
  return limits;
}

inline Request small_request(int64_t prompt, int64_t max_tokens, TokenId base) {
  Request r;
  for (int64_t i = 0; i < prompt; ++i) {
    r.prompt.push_back(static_cast<TokenId>((base + i * 5) % 64));
  }
  r.sampling.max_tokens = max_tokens;
  return r;
}

struct Answer {
  std::vector<TokenId> tokens;
  FinishReason finish = FinishReason::kNone;
};

inline Answer read_all(Outbox& outbox) {
  Answer out;
  while (const TokenEvent* event = outbox.wait()) {
    for (TokenId t : event->token_span()) out.tokens.push_back(t);
    if (event->finish != FinishReason::kNone) out.finish = event->finish;
  }
  return out;
}

}  // namespace ingot
