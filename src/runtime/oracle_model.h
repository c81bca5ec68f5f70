// A toy model that reads its whole past back from KV pages: the next token is a hash of all earlier
// tokens as found through the row's block tables. A lost, duplicated, spliced or stale page changes
// the stream. No weights, no device; scheduler, cache and server tests run on it.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "runtime/model_runner.h"

namespace ingot {

// The token after `tokens`, computed from the tokens alone, without KV pages.
TokenId oracle_next(const ModelLimits& limits, std::span<const TokenId> tokens, uint64_t seed,
                    int32_t choice);
// The same as a request's choice draws it behind `tokens`, its prompt and output: the next allowed
// token from the hash's on. Finite biases change nothing: there are no logits.
TokenId oracle_next(const ModelLimits& limits, std::span<const TokenId> tokens,
                    const Request& request, int32_t choice);
// The made-up log probability of a token behind `tokens`.
float oracle_logprob(const ModelLimits& limits, std::span<const TokenId> tokens, TokenId token);
// The `count` best next tokens with made-up log probabilities, best first (beam search).
std::vector<std::pair<TokenId, float>> oracle_top(const ModelLimits& limits,
                                                  std::span<const TokenId> tokens, size_t count);

class OracleModel final : public ModelRunner {
 public:
  explicit OracleModel(ModelLimits limits);
  const ModelLimits& limits() const override { return limits_; }
  // Steps run when they are collected, so anything changed behind a submitted step shows.
  void submit(const Batch& batch) override;
  void collect(StepResult& result) override;
  std::span<const size_t> put_off() const override;
  bool can_draw(int32_t slot) override { return !draw_is_due || draw_is_due(slot); }
  void on_can_draw(const std::function<void()>& wake) override { wake_ = wake; }

  // Overwrites what a page holds (tests).
  void corrupt(int32_t group, PageId page);
  // Called at the start of submit and collect with the step's number; may throw (fault injection).
  std::function<void(int64_t step)> on_submit, on_collect;
  // Tests: whether a slot's draw can be made. Asked in submit() of rows that may be put off, and
  // behind that until it is true, on the loop's thread. Who makes it true calls wake().
  std::function<bool(int32_t slot)> draw_is_due;
  void wake() const {
    if (wake_) wake_();
  }

 private:
  struct Cell {
    TokenId token = -1;
    int64_t position = -1;
  };
  struct Page {
    std::array<Cell, kKvBlockTokens> cells;
    uint64_t state = 0;           // fixed groups: hash of all tokens so far; cross: of the request
    int64_t state_tokens = 0;     // how many
    std::vector<uint64_t> trail;  // hashes behind each token of the row written last
    int32_t writer = -1;          // slot that wrote last
    uint32_t generation = 0;      // writes by a new writer
  };
  struct Slot {
    std::shared_ptr<const Request> request;
    int32_t choice = 0;
    std::vector<TokenId> tokens;  // prompt and output
  };
  void copy(const PageCopy& copy);
  void resolve(const Batch& batch);
  void write(const Batch& batch, size_t row);
  void write_fixed(Page& page, const BatchRow& row);
  void write_cross(std::span<const PageId> table, std::vector<Page>& pool,
                   const BatchRow& row) const;
  uint64_t read_cross(std::span<const PageId> table, const std::vector<Page>& pool,
                      const BatchRow& row) const;
  uint64_t read_back(const Batch& batch, size_t row, int64_t context) const;
  void score_prompt(const Batch& batch, size_t row, RowResult& result) const;
  void sample(const Batch& batch, size_t row, RowResult& result);

  ModelLimits limits_;
  std::vector<std::vector<Page>> pools_;
  std::vector<Slot> slots_;
  std::vector<TokenId> resolved_;  // the step's token ids without kLastSampled
  struct Submitted {
    const Batch* batch = nullptr;
    std::vector<size_t> put_off;
  };
  std::deque<Submitted> queue_;
  std::function<void()> wake_;
};

}  // namespace ingot
