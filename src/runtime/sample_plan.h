// The second half of a step: logits to tokens, as a plan of operators run by the executor.
#pragma once

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
  int64_t output_len() const { return static_cast<int64_t>(history.size()) - prompt_len; }
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
  // Ids that must not be drawn yet (min_tokens), and offsets [samples + 1].
  int banned_ids() { return list("banned_ids", "banned"); }
  int banned_offsets() { return offsets("banned_offsets"); }
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
  std::vector<RowParam> params_;
};

// Runs sample plans, one for each combination of active rules. One thread at a time.
class Sampler {
 public:
  // `device` outlives the sampler and is host visible. `max_tokens`: longest history of a row.
  Sampler(Device& device, int64_t vocab_size, int64_t max_tokens);
  ~Sampler();

  // Draws a token for each row from `logits`, float32 [n, vocab_size]. out[i] gets token and
  // logprobs; token -1: the row's logits were not finite. The result of a row does not depend on
  // the other rows.
  struct Drawn {
    TokenId token = -1;
    TokenLogprobs logprobs;  // filled if the request asked, or for beam rows
  };
  void run(const TensorView& logits, std::span<const SampleRow> rows, std::vector<Drawn>& out);

  // The plan for these requests, as text (golden tests).
  std::string plan_text_for(std::span<const SampleRow> rows);

 private:
  struct Variant;
  Variant& variant_for(std::span<const SampleRow> rows);
  void run_group(const TensorView& logits, std::span<const SampleRow> rows, Drawn* out);
  void fill_lists(Variant& variant, std::span<const SampleRow> rows);

  Device& device_;
  int64_t vocab_size_;
  int64_t max_tokens_;
  std::map<std::string, std::unique_ptr<Variant>> variants_;  // by signature
};

// How many best tokens the row's logprobs list: -1 none.
int32_t wanted_logprobs(const SamplingParams& params);

}  // namespace ingot
