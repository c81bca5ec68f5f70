// The four types of the runtime: Request, Sequence, Batch, TokenEvent. A request's way through
// them: a worker makes a Request (immutable from then on) and puts it in the inbox; the engine
// thread keeps Sequences; each step is one Batch; answers leave as TokenEvents.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "tensor/kv_page.h"

namespace ingot {

class Grammar;  // text/grammar.h

using TokenId = int32_t;
using PageId = int32_t;

constexpr PageId kNoPage = -1;            // table entry: nothing there, or it left the window
constexpr TokenId kLastSampled = -1;      // token entry: the token that the row's slot sampled last
constexpr int kMaxStepTokens = 8;         // most tokens that one row can commit in one step
constexpr int64_t kMaxStopIds = 256;      // of a request's eos_token_ids, and of its stop_token_ids
constexpr int32_t kMaxChoices = 256;      // of a request, and the widest beam
constexpr int64_t kMaxBiasIds = 2048;     // of a request's logit_bias
constexpr int64_t kMaxAllowedIds = 4096;  // of its allowed_token_ids
constexpr int64_t kMaxBadWords = 512;     // of its bad_words, and tokens of each
constexpr int64_t kMaxBadWordTokens = 128;
// Values that a request's prompt_logprobs make at most: prompt tokens times (prompt_logprobs + 1).
constexpr int64_t kMaxPromptValues = int64_t{1} << 20;
constexpr int64_t kNoDeadline = std::numeric_limits<int64_t>::max();

// What a client may ask of sampling. The order of the rules: penalties, logit_bias, masks
// (min_tokens, allowed_token_ids, bad_words, grammar), temperature, top_k, top_p, min_p, draw.
// Defaults change nothing. Ranges of the rules' numbers stand with the rules (SamplerParam).
struct SamplingParams {
  int64_t max_tokens = 512;  // output tokens, 0: none; clamped to what the context leaves
  int64_t min_tokens = 0;    // no end or stop token is drawn among the first so many
  double temperature = 0;    // below 1e-5: greedy, the lowest id wins ties
  int32_t top_k = 0;         // 0: off
  double top_p = 1;
  double min_p = 0;               // relative to the best token's probability
  double repetition_penalty = 1;  // over prompt and output tokens
  double presence_penalty = 0;    // over output tokens
  double frequency_penalty = 0;   // over output tokens
  uint64_t seed = 0;              // draw i of choice c depends on (seed, c, i) alone
  int32_t logprobs = -1;          // -1: none, 0: of the drawn token, k: and of the k best
  int32_t prompt_logprobs = -1;   // the same of each prompt token but the first
  int32_t n = 1;                  // choices, each its own stream
  int32_t beam_width = 1;         // > 1: beam search, which returns the n best beams at the end
  double length_penalty = 1;      // beam score = sum of logprobs / length^length_penalty
  bool ignore_eos = false;        // eos_token_ids do not end the answer
  std::vector<TokenId> eos_token_ids;   // of the model; the ending token is part of the answer
  std::vector<TokenId> stop_token_ids;  // of the request
  // Added to the logits, each id once; -infinity: never drawn.
  std::vector<std::pair<TokenId, float>> logit_bias;
  std::vector<TokenId> allowed_token_ids;  // no others are drawn; empty: all
  // Token sequences, none empty, that the output never holds: the last token of one is not drawn
  // behind the others.
  std::vector<std::vector<TokenId>> bad_words;
  // The answer is in it, and ends with one of eos_token_ids where it lets the answer end; its
  // vocabulary is the model's, whose ids beyond it are never drawn. Not with beams, ignore_eos,
  // min_tokens and other masks: a token must be left to draw.
  std::shared_ptr<const Grammar> grammar;
  // Numbers that nothing but their rule reads, by SamplerParam::name; absent: neutral.
  std::map<std::string, double, std::less<>> others = {};
};

// Answers that are streamed: n, brought into 1 … kMaxChoices where nobody validated it.
inline int32_t choice_count(const SamplingParams& params) {
  return std::clamp(params.n, 1, kMaxChoices);
}

// The best tokens of a row that beam search sees: twice its width may be taken, and end tokens
// among the first min_tokens are passed over.
inline int32_t beam_candidate_count(const SamplingParams& params) {
  const size_t passed =
      params.min_tokens > 0 ? params.eos_token_ids.size() + params.stop_token_ids.size() : 0;
  return 2 * params.beam_width + static_cast<int32_t>(passed);
}

// Whether logit_bias, allowed_token_ids or bad_words ask for something.
bool has_masks(const SamplingParams& params);

// Appends the last tokens of the bad words that `output`, the tokens drawn so far, has all others
// of at its end.
void bad_word_ends(const SamplingParams& params, std::span<const TokenId> output,
                   std::vector<TokenId>& out);

// Error{kInvalidArgument} naming the field, the bound and the value. Run where the request is
// parsed.
void validate(const SamplingParams& params, int64_t vocab_size);

// Immutable once made; shared between the worker and the engine thread.
struct Request {
  uint64_t id = 0;  // unique among live requests
  std::vector<TokenId> prompt;
  SamplingParams sampling;
  int32_t priority = 0;               // lower runs first
  uint64_t tenant = 0;                // equal priorities are shared between tenants
  Hash128 tenant_salt;                // prefix-cache pages are shared only between equal salts
  int64_t deadline_ns = kNoDeadline;  // on the loop's Clock
  int64_t cross_tokens = 0;           // encoder positions, for models with a cross state group
};

enum class FinishReason : uint8_t {
  kNone,         // not finished
  kStop,         // an end or stop token was drawn; or there are fewer beams than choices
  kLength,       // max_tokens or the context is full
  kCancelled,    // the client gave up
  kTooLong,      // refused: can never fit
  kTimeout,      // deadline passed
  kOutOfMemory,  // nothing could be scheduled for it
  kInternal,     // our fault; the log says more
  kOverloaded,   // refused: too much is waiting (LoopOptions)
  kBadLogits,    // the model gave NaN or infinity: no token can be drawn
  kFormFault,    // the grammar is over a limit, or has no token that goes on
};
// What kFormFault means to a caller.
inline constexpr const char* kFormFaultText =
    "the answer's form takes more work than one answer may, or no token of the model goes on in "
    "it; a form with fewer ways to read a text helps";
std::string_view finish_reason_name(FinishReason reason);  // "stop", "length", …

// Natural logarithms of the softmax of the raw logits (before penalties and temperature).
struct TokenLogprobs {
  float chosen = 0;
  std::vector<std::pair<TokenId, float>> top;  // best first; ties by lower id
};

// What leaves the engine thread. A choice's events are in order; its last carries `finish`; the
// request's very last also carries `request_done`: exactly one per request.
struct TokenEvent {
  uint64_t request_id = 0;
  int32_t choice = 0;
  FinishReason finish = FinishReason::kNone;
  bool request_done = false;
  uint8_t count = 0;          // tokens in this event, 0 only with a finish or prompt_logprobs
  int32_t cached_tokens = 0;  // of the prompt, which were found in the prefix cache
  std::array<TokenId, kMaxStepTokens> tokens{};
  std::vector<TokenLogprobs> logprobs;  // count entries if the request asked, else empty
  // Of the prompt tokens behind those of earlier events, at most a step's; the first event's first
  // is of the second token. All come with choice 0, before any token.
  std::vector<TokenLogprobs> prompt_logprobs;
  std::span<const TokenId> token_span() const { return {tokens.data(), count}; }
};

// The KV pages of one sequence: for each state group one page per block of kKvBlockTokens positions
// (fixed groups: one page in all; cross groups: pages of the encoder's positions). Changed by
// KvBlocks alone.
struct KvTables {
  std::vector<std::vector<PageId>> groups;
  int64_t tokens = 0;  // positions that have room; the next append starts here
  // Prefix chain of the blocks already offered to the cache.
  struct Link {
    Hash128 hash;
    uint64_t entry = 0;
  };
  std::vector<Link> chain;
  uint64_t owner = 0;                 // request id, for messages
  std::vector<int64_t> window_floor;  // first block that a windowed group still holds
};

// kPaused: its request's reader is behind; it has no pages and is not served.
enum class SequencePhase : uint8_t { kWaiting, kRunning, kPaused, kFinished };

// One choice of a request. Engine thread alone.
struct Sequence {
  std::shared_ptr<const Request> request;
  int32_t choice = 0;
  uint64_t arrival = 0;  // order of arrival of the request
  SequencePhase phase = SequencePhase::kWaiting;
  std::vector<TokenId> tokens;  // prompt and committed output; empty until the first start
  KvTables kv;
  int32_t slot = -1;           // index in the runner's per-sequence state, while it holds pages
  int64_t scheduled = 0;       // positions whose KV a submitted step writes
  int64_t computed = 0;        // positions whose KV a committed step wrote
  int32_t pending = 0;         // tokens that steps in flight will sample
  int32_t in_flight = 0;       // rows in flight
  bool forked = false;         // the choices (or beams) of the request exist
  bool slot_fresh = true;      // the runner has not been told what this slot holds
  bool anew_by_pause = false;  // what the next start computes anew is its reader's doing
  bool put_off = false;        // its draw was put off: not scheduled until the runner can draw it
  double beam_score = 0;       // sum of logprobs, beam search only
  bool beam_ready = false;     // has candidates for the next beam selection
  std::vector<std::pair<TokenId, float>> beam_candidates;

  int64_t prompt_len() const { return static_cast<int64_t>(request->prompt.size()); }
  int64_t length() const { return static_cast<int64_t>(tokens.size()); }
  int64_t output_len() const { return length() - prompt_len(); }
};

// A page copied before the step's forward. Copies of one batch take effect in list order.
struct PageCopy {
  int32_t group = 0;
  PageId source = kNoPage;
  PageId target = kNoPage;
  bool operator==(const PageCopy&) const = default;
};

struct BatchRow {
  int32_t slot = -1;
  int64_t first_position = 0;  // position of the row's first token
  int32_t query_len = 0;       // tokens; 0: the row only samples, from its parent's logits
  int32_t token_begin = 0;     // of Batch::token_ids
  // Batch::logit_rows[logit_begin .. + logit_count): packed token indices whose logits the sample
  // plan reads. 0: a prefill chunk that samples nothing. 1 + draft_len otherwise.
  int32_t logit_begin = 0;
  int32_t logit_count = 0;
  int32_t draft_len = 0;  // the last draft_len tokens are guesses to verify
  // logit_rows[prompt_begin .. + prompt_count): of these tokens, one behind the other, the logits
  // say how likely the next prompt token was.
  int32_t prompt_begin = 0;
  int32_t prompt_count = 0;
  int32_t parent = -1;  // row whose logits this one samples (fork at the end of the prompt)
  // The runner may leave its draw to a later step (ModelRunner::put_off), in which its last
  // position is computed again.
  bool may_put_off = false;
  int64_t context_len() const { return first_position + query_len; }
};

// A slot that starts to hold a sequence (admitted, resumed, forked, truncated): what penalties,
// masks and draws need. Later tokens of the slot are those that the runner sampled itself.
struct SlotStart {
  int32_t slot = -1;
  int32_t choice = 0;
  std::shared_ptr<const Request> request;
  std::vector<TokenId> tokens;  // prompt and outputs so far
};

// One step: first the copies, then the forward of all rows, then the sampling of rows that have
// logits. Plain data, owned by the scheduler, unchanged until the step is committed.
struct Batch {
  int64_t step = 0;  // 1, 2, 3, …
  std::vector<BatchRow> rows;
  std::vector<TokenId> token_ids;   // packed; kLastSampled stands for the slot's last token
  std::vector<int32_t> logit_rows;  // indices into token_ids
  std::vector<SlotStart> slot_starts;
  std::vector<PageCopy> copies;
  // Block tables of state group g: row-major [rows, table_stride[g]], padded with kNoPage.
  std::vector<std::vector<PageId>> tables;
  std::vector<int64_t> table_stride;
  std::span<const PageId> table(size_t group, size_t row) const {
    const auto stride = static_cast<size_t>(table_stride[group]);
    return {tables[group].data() + row * stride, stride};
  }
};

}  // namespace ingot
