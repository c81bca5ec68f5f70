#include "cli/contract/generation_flags.h"

#include <cstdio>
#include <limits>

#include "base/error.h"
#include "base/log.h"
#include "loaders/hub.h"
#include "models/contract/presets.h"

namespace ingot {

std::string model_or_preset(const std::string& model, const std::string& preset) {
  if (model.empty() == preset.empty()) {
    const char* found = model.empty() ? "none" : "both";
    throw UsageError(
        fmt::format("expected a model or --random-weights with a preset, found {}", found));
  }
  if (preset.empty()) return model;
  try {
    find_preset(preset);
  } catch (const Error& error) {
    throw UsageError(std::string("--random-weights: ") + error.what());
  }
  return fmt::format("{}{}", kRandomPrefix, preset);
}

void ModelFlags::declare(Flags& flags) {
  flags.argument("model", &model, "engine, checkpoint, Hugging Face directory, .gguf or hub name");
  declare_options(flags);
}

void ModelFlags::declare_options(Flags& flags) {
  flags.flag("device", &device, "device to run on");
  flags.flag("dtype", &dtype, "element type of weights and activations; default: as stored");
  flags.flag("kv-dtype", &kv_dtype, "element type of the KV cache; default: the activations'");
  flags.flag("reference", &reference, "run reference kernels only");
  flags.flag("max-seq-len", &max_seq_len, "longest sequence; 0 = what the model allows");
  flags.flag("tokenizer-dir", &tokenizer_dir, "take tokenizer and chat template from here");
}

bool ModelFlags::given_options() const {
  return device != ModelFlags().device || !dtype.empty() || !kv_dtype.empty() || reference ||
         max_seq_len != 0 || !tokenizer_dir.empty();
}

LoadOptions ModelFlags::load_options() const {
  check_range("max-seq-len", max_seq_len, 0, kMostSequence);
  LoadOptions options;
  options.build.dtype = parse_float_dtype("dtype", dtype);
  options.build.kv_dtype = parse_float_dtype("kv-dtype", kv_dtype);
  options.tokenizer_dir = tokenizer_dir;
  options.limits = limits;
  options.task = task;
  options.tune = options.use_cache = tune;
  return options;
}

std::unique_ptr<Device> ModelFlags::check() const {
  load_options();
  if (is_onnx_path(model)) {
    fail(ErrorCode::kUnsupported, "cli/model",
         "{}: expected a language model, found an ONNX network ('ingot exec' runs it)", model);
  }
  if (!is_random_model(model)) check_model_name(model);
  return open_device_flag(device);
}

LoadedModel ModelFlags::load(Device& target) const {
  const LoadOptions options = load_options();
  LoadedModel loaded = load_model(model, options, target);
  if (loaded.built) {
    spdlog::info("built {} in {:.1f} s",
                 loaded.engine_path.empty() ? "an engine in memory" : loaded.engine_path,
                 loaded.milliseconds * 1e-3);
  }
  if (max_seq_len > 0 && max_seq_len > engine_context(*loaded.engine)) {
    spdlog::warn("--max-seq-len {}: the model's context holds {}, which counts", max_seq_len,
                 engine_context(*loaded.engine));
  }
  return loaded;
}

OpenModel ModelFlags::open(std::unique_ptr<Device> opened) const {
  OpenModel out;
  out.device = std::move(opened);
  out.loaded = load(*out.device);
  out.assets = engine_text_assets(*out.loaded.engine, model);
  return out;
}

void SamplingFlags::declare(Flags& flags) {
  flags.flag("max-tokens", &max_tokens, "most tokens of the answer", &has_max_tokens_);
  flags.flag("temperature", &temperature, "0 = greedy; default: the model's generation_config",
             &has_temperature_);
  flags.flag("top-k", &top_k, "draw from the k best tokens; 0 = off", &has_top_k_);
  flags.flag("top-p", &top_p, "draw from the best tokens that hold this probability", &has_top_p_);
  flags.flag("min-p", &min_p, "least probability relative to the best token", &has_min_p_);
  flags.flag("repetition-penalty", &repetition_penalty, "over prompt and answer; 1 = off",
             &has_repetition_penalty_);
  flags.flag("presence-penalty", &presence_penalty, "over tokens of the answer; 0 = off",
             &has_presence_penalty_);
  flags.flag("frequency-penalty", &frequency_penalty, "over tokens of the answer; 0 = off",
             &has_frequency_penalty_);
  flags.flag("seed", &seed, "of the draws", &has_seed_);
  flags.flag("stop", &stop, "text that ends the answer; may be given several times");
  flags.flag("logprobs", &logprobs, "log probabilities of the k best tokens, 0 = of the drawn one");
}

void SamplingFlags::check() const {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  check_range("max-tokens", max_tokens, 1, kMost);
  check_range("temperature", temperature, 0.0, 100.0);
  check_range("top-k", top_k, 0, kMost);
  if (!(top_p > 0 && top_p <= 1)) {
    throw UsageError(fmt::format("--top-p: expected more than 0 and at most 1, found {}", top_p));
  }
  check_range("min-p", min_p, 0.0, 1.0);
  check_range("repetition-penalty", repetition_penalty, 1e-3, 1e3);
  check_range("presence-penalty", presence_penalty, -100.0, 100.0);
  check_range("frequency-penalty", frequency_penalty, -100.0, 100.0);
  check_seed(seed);
  check_range("logprobs", logprobs, -1, 1024);
}

SamplingParams SamplingFlags::params(const TextAssets& assets) const {
  SamplingParams out = assets.sampling();
  out.max_tokens = max_tokens;
  if (has_temperature_) out.temperature = temperature;
  if (has_top_k_) out.top_k = static_cast<int32_t>(top_k);
  if (has_top_p_) out.top_p = top_p;
  if (has_min_p_) out.min_p = min_p;
  if (has_repetition_penalty_) out.repetition_penalty = repetition_penalty;
  out.presence_penalty = presence_penalty;
  out.frequency_penalty = frequency_penalty;
  out.seed = static_cast<uint64_t>(seed);
  out.logprobs = static_cast<int32_t>(logprobs);
  return out;
}

Json SamplingFlags::openai_fields() const {
  Json out = Json::object();
  const auto add = [&](bool given, const char* name, const Json& value) {
    if (given) out[name] = value;
  };
  add(has_max_tokens_, "max_tokens", max_tokens);
  add(has_temperature_, "temperature", temperature);
  add(has_top_k_, "top_k", top_k);
  add(has_top_p_, "top_p", top_p);
  add(has_min_p_, "min_p", min_p);
  add(has_repetition_penalty_, "repetition_penalty", repetition_penalty);
  add(has_presence_penalty_, "presence_penalty", presence_penalty);
  add(has_frequency_penalty_, "frequency_penalty", frequency_penalty);
  add(has_seed_, "seed", seed);
  add(!stop.empty(), "stop", stop);
  return out;
}

const Tokenizer& require_tokenizer(const TextAssets& assets, bool ids) {
  try {
    return assets.require_tokenizer();
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}; {}build with --tokenizer-dir", error.what(),
                                          ids ? "give --prompt-ids, or " : ""));
  }
}

std::string finish_text(const Generation& generation) {
  return std::string(finish_reason_name(generation.finish));
}

Json generation_json(const Generation& generation) {
  Json out = {{"token_ids", generation.token_ids},
              {"text", generation.text},
              {"finish_reason", finish_text(generation)}};
  for (size_t i = 0; i < generation.logprobs.size(); ++i) {
    const TokenLogprobs& entry = generation.logprobs[i];
    Json top = Json::array();
    for (const auto& [id, logprob] : entry.top) {
      top.push_back({{"token_id", id}, {"logprob", logprob}});
    }
    out["logprobs"].push_back(
        {{"token_id", generation.token_ids[i]}, {"logprob", entry.chosen}, {"top", top}});
  }
  return out;
}

}  // namespace ingot
