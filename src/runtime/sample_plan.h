// The second half of a step: logits to tokens, as a plan of operators run by the executor.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/executor.h"
#include "engine/plan.h"
#include "runtime/model_runner.h"
#include "runtime/sampler_rule.h"

namespace ingot {

// One row to draw for.
struct SampleRow {
  const SamplingParams* params = nullptr;
  int32_t choice = 0;
  int64_t prompt_len = 0;
  std::span<const TokenId> history;  // prompt and output before the token to draw, never empty
  int32_t logit_row = 0;             // row of the logits given to Sampler::run
  // Tokens behind the history that only the device knows yet. 0 where Sampler::reads_history().
  int32_t unread = 0;
  int32_t slot = -1;  // of the kept tokens; negative: not kept
  // Not drawn but given: its logprobs are wanted (params->prompt_logprobs). Such rows stand behind
  // all others.
  TokenId given = -1;
  // Of a row with a grammar: bit i % 32 of word i / 32 is token i's. Empty: any token may come.
  std::span<const uint32_t> mask = {};
  int64_t length() const { return static_cast<int64_t>(history.size()) + unread; }
  int64_t output_len() const { return length() - prompt_len; }
};

// A per-row input of the plan and where its value comes from.
struct RowParam {
  std::string name;
  DType dtype = DType::kFloat32;  // kFloat32, kInt32 or kInt64
  double (*value)(const SamplingParams& params) = nullptr;
};

// What a rule lowers into. Values are ids of the plan being built.
class SampleBuilder {
 public:
  SampleBuilder(int64_t vocab_size, std::string name);

  int logits() const { return logits_; }  // float32 [samples, vocab_size]
  void set_logits(int value) { logits_ = value; }
  // [samples]; the same name twice gives the same input.
  int row_param(std::string_view name, DType dtype, double (*value)(const SamplingParams&));
  // Prompt and output ids of every row, packed; offsets [samples + 1]; prompt lengths [samples].
  int history_ids() { return list("history_ids", "history"); }
  int history_offsets() { return offsets("history_offsets"); }
  int prompt_lengths();
  // A list of ids for each row, and offsets [samples + 1]: "banned", which must not be drawn yet
  // (min_tokens); "bias", with float32 values; "allowed"; "bad_word", of the output so far; "mask",
  // words of bits.
  int list_ids(std::string_view what);
  int list_offsets(std::string_view what);
  int list_values(std::string_view what);
  // Adds an operator; returns its outputs.
  std::vector<int> step(std::string_view op, Attrs attrs, std::vector<int> inputs,
                        size_t outputs = 1) {
    return plan_.step(op, std::move(attrs), std::move(inputs), outputs);
  }

 private:
  friend class Sampler;
  int named(std::string_view name, DType dtype, SymShape shape);
  int list(std::string_view name, std::string_view symbol);
  int offsets(std::string_view name);

  PlanBuilder plan_;
  int raw_logits_ = kNoValue;
  int logits_ = kNoValue;
  std::map<std::string, int, std::less<>> inputs_;
  std::vector<std::string> lists_;
  std::vector<RowParam> params_;
};

// Runs sample plans, one for each combination of active rules. One thread at a time.
class Sampler {
 public:
  // Draws that may be on their way at a time.
  static constexpr size_t kTurns = 2;

  struct Options {
    int64_t max_tokens = 0;    // longest history of a row
    int64_t max_rows = 0;      // rows of a run at most
    Stream* stream = nullptr;  // nullptr: one of its own; see ExecutorOptions
    // int32 [slots] on the device: where drawn tokens are kept for the next step. Absent: nowhere.
    TensorView kept = {};
  };
  // `device` outlives the sampler.
  Sampler(Device& device, int64_t vocab_size, Options options);
  ~Sampler();

  // Draws a token for each row from `logits`, float32 [n, vocab_size] on the device. out[i] gets
  // token and logprobs; token -1: the row's logits were not finite. The result of a row does not
  // depend on the other rows.
  struct Drawn {
    TokenId token = -1;
    bool has_logprobs = false;  // the request asked, or it is a beam row
    TokenLogprobs logprobs;
  };
  void run(const TensorView& logits, std::span<const SampleRow> rows, std::vector<Drawn>& out);

  // The same in two halves: submit() queues the work, and collect() of the same turn waits for it.
  // Turns below kTurns are independent of each other.
  void submit(const TensorView& logits, std::span<const SampleRow> rows, size_t turn);
  void collect(size_t turn, std::vector<Drawn>& out);

  // Whether drawing for these rows reads the ids of their history.
  bool reads_history(std::span<const SampleRow> rows);

  // The plan for these requests, as text (golden tests).
  std::string plan_text_for(std::span<const SampleRow> rows);

 private:
  struct Variant;
  struct Turn;
  Variant& variant_for(std::span<const SampleRow> rows);
  Variant& scoring_variant(int32_t top);
  Variant& add_variant(const std::string& signature, SampleBuilder& builder, int32_t top);
  void submit_group(const TensorView& logits, std::span<const SampleRow> rows, size_t first,
                    Turn& turn);
  void take_logits(Variant& variant, const TensorView& logits, std::span<const SampleRow> rows);
  void set_draws(Variant& variant, std::span<const SampleRow> rows);
  void fill_history(Variant& variant, std::span<const SampleRow> rows);
  void fill_list(Variant& variant, std::string_view what, std::span<const SampleRow> rows);

  Device& device_;
  int64_t vocab_size_;
  Options options_;
  std::unique_ptr<Stream> own_stream_;
  size_t group_rows_;                                         // of one run of the plan
  std::map<std::string, std::unique_ptr<Variant>> variants_;  // by signature
  std::array<std::unique_ptr<Turn>, kTurns> turns_;
};

// How many best tokens a drawn row's logprobs list: -1 none.
int32_t wanted_logprobs(const SamplingParams& params);

}  // namespace ingot
