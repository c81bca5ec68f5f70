// Flags that several commands share: which model on which device, and how to sample from it.
#pragma once

#include <string>
#include <vector>

#include "capi/model_loader.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"
#include "runtime/sampler_rule.h"
#include "runtime/text_session.h"

namespace ingot {

// A language model on its device, and what its texts need.
struct OpenModel {
  std::unique_ptr<Device> device;
  LoadedModel loaded;
  TextAssets assets;
};

// MODEL, or "random:PRESET" for --random-weights PRESET; UsageError unless one of the two is given,
// and for a preset that does not exist.
std::string model_or_preset(const std::string& model, const std::string& preset);

// MODEL, --device, --dtype, --kv-dtype, --reference, --max-seq-len, --tokenizer-dir.
struct ModelFlags {
  void declare(Flags& flags);
  void declare_options(Flags& flags);  // all but MODEL
  // Whether one of declare_options() has another value than its default.
  bool given_options() const;
  // Opens the device and the engine, or builds it; a line on standard error says when it was built.
  OpenModel open() const { return open(check()); }
  // The same in two parts: what can be known of the flags before the model is read or fetched, and
  // the device; UsageError, and Error{kNotFound} for a model that is not there. Then the rest.
  std::unique_ptr<Device> check() const;
  OpenModel open(std::unique_ptr<Device> opened) const;

  std::string model;
  std::string device = "cpu";
  std::string dtype;
  std::string kv_dtype;
  std::string tokenizer_dir;
  int64_t max_seq_len = 0;
  bool reference = false;
  // Not flags: the limits of an engine that is built, whether its kernels are timed (one that is
  // not tuned is not kept), and what it is for.
  SymbolValues limits;
  bool tune = true;
  ModelTask task = ModelTask::kAuto;

 private:
  LoadOptions load_options() const;
  LoadedModel load(Device& target) const;
};

// A line where --max-seq-len asks for more than the model has; 0: it was not given.
void warn_past_context(int64_t max_seq_len, const Engine& engine);

// --max-tokens, a flag for each number of the sampling rules, --seed, --stop, --logprobs.
struct SamplingFlags {
  void declare(Flags& flags);
  // UsageError for values out of range; before any work.
  void check() const;
  // What the user gave, then the model's generation_config, then greedy. The end tokens are the
  // model's.
  SamplingParams params(const TextAssets& assets) const;
  // What the user gave, as fields of OpenAI's API and of servers that take more; not logprobs.
  Json openai_fields() const;

  int64_t max_tokens = 512;
  int64_t seed = 0;
  int64_t logprobs = -1;
  std::vector<std::string> stop;

 private:
  // The flag of a sampling rule's number.
  struct RuleFlag {
    SamplerParam param;
    double number = 0;  // one of the two, as param.whole says
    int64_t whole = 0;
    bool given = false;
    double value() const { return param.whole ? static_cast<double>(whole) : number; }
  };
  std::vector<RuleFlag> rules_;  // as declared: the flags point into it
  bool has_max_tokens_ = false;
  bool has_seed_ = false;
};

// assets.require_tokenizer(), whose error gets what helps: `ids`: the command takes --prompt-ids.
const Tokenizer& require_tokenizer(const TextAssets& assets, bool ids);

std::string finish_text(const Generation& generation);
// {"token_ids", "text", "finish_reason"[, "logprobs"]}
Json generation_json(const Generation& generation);

}  // namespace ingot
