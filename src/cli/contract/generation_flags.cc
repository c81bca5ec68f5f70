#include "cli/contract/generation_flags.h"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "base/error.h"
#include "base/log.h"
#include "loaders/hub.h"
#include "models/contract/presets.h"
#include "runtime/decoder_step.h"

namespace ingot {
namespace {

// UsageError, which begins with `source`, for a preset that does not exist.
void check_preset(std::string_view source, std::string_view preset) {
  try {
    find_preset(preset);
  } catch (const Error& error) {
    throw UsageError(fmt::format("{}: {}", source, error.what()));
  }
}

// "random:PRESET" is written by hand too.
void check_random_model(std::string_view model) {
  if (is_random_model(model)) check_preset(model, model.substr(kRandomPrefix.size()));
}

}  // namespace

std::string model_or_preset(const std::string& model, const std::string& preset) {
  if (model.empty() == preset.empty()) {
    const char* found = model.empty() ? "none" : "both";
    throw UsageError(
        fmt::format("expected a model or --random-weights with a preset, found {}", found));
  }
  if (preset.empty()) {
    check_random_model(model);
    return model;
  }
  check_preset("--random-weights", preset);
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
  check_random_model(model);
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
  warn_past_context(max_seq_len, *loaded.engine);
  return loaded;
}

void warn_past_context(int64_t max_seq_len, const Engine& engine) {
  if (max_seq_len <= 0 || !is_decoder_plan(engine.plan)) return;
  const int64_t context = engine_context(engine);
  if (max_seq_len <= context) return;
  spdlog::warn("--max-seq-len {}: the model's context holds {}, which counts", max_seq_len,
               context);
}

OpenModel ModelFlags::open(std::unique_ptr<Device> opened) const {
  OpenModel out;
  out.device = std::move(opened);
  out.loaded = load(*out.device);
  out.assets = engine_text_assets(*out.loaded.engine, model);
  return out;
}

namespace {

// "top-k" of "top_k".
std::string flag_name(const SamplerParam& param) {
  std::string name(param.name);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

}  // namespace

void SamplingFlags::declare(Flags& flags) {
  flags.flag("max-tokens", &max_tokens, "most tokens of the answer", &has_max_tokens_);
  for (const SamplerParam& param : sampler_params()) {
    const double plain = param.get({});
    rules_.push_back({param, plain, static_cast<int64_t>(plain)});
  }
  for (RuleFlag& rule : rules_) {
    std::string help(rule.param.help);
    if (rule.param.name == "temperature") help += "; default: the model's generation_config";
    if (rule.param.whole) {
      flags.flag(flag_name(rule.param), &rule.whole, help, &rule.given);
    } else {
      flags.flag(flag_name(rule.param), &rule.number, help, &rule.given);
    }
  }
  flags.flag("seed", &seed, "of the draws", &has_seed_);
  flags.flag("stop", &stop, "text that ends the answer; may be given several times");
  flags.flag("logprobs", &logprobs, "log probabilities of the k best tokens, 0 = of the drawn one");
}

void SamplingFlags::check() const {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  check_range("max-tokens", max_tokens, 1, kMost);
  for (const RuleFlag& rule : rules_) {
    if (rule.param.holds(rule.value())) continue;
    throw UsageError(fmt::format(
        "--{}: expected {}, found {}", flag_name(rule.param), rule.param.range_text(),
        rule.param.whole ? std::to_string(rule.whole) : fmt::format("{}", rule.number)));
  }
  check_seed(seed);
  check_range("logprobs", logprobs, -1, 1024);
}

SamplingParams SamplingFlags::params(const TextAssets& assets) const {
  SamplingParams out = assets.sampling();
  out.max_tokens = max_tokens;
  for (const RuleFlag& rule : rules_) {
    if (rule.given) rule.param.set(out, rule.value());
  }
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
  for (const RuleFlag& rule : rules_) {
    if (!rule.given) continue;
    out[std::string(rule.param.name)] = rule.param.whole ? Json(rule.whole) : Json(rule.number);
  }
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
