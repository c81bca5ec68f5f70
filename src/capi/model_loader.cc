#include "capi/model_loader.h"

#include <fmt/ranges.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/knobs.h"
#include "base/log.h"
#include "base/refusal.h"
#include "capi/engine_cache.h"
#include "engine/container.h"
#include "engine/selection.h"
#include "loaders/blob_download.h"
#include "loaders/hub.h"
#include "models/contract/presets.h"
#include "runtime/text_assets.h"
#include "tensor/kv_page.h"
#include "text/tokenizer.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "capi/model_loader";

// Whether a decoder is built for embeddings; what gives hidden states anyway is as it is.
bool builds_embeddings(const ModelSource& source, const LoadOptions& options) {
  if (options.task != ModelTask::kAuto) return options.task == ModelTask::kEmbed;
  return source.sentences.rules.has_value();
}

// All candidates of a server's engine take some 25 s on a GPU; on a processor heuristics are close,
// and large models would take minutes.
double tune_seconds(const Device& device) {
  const int64_t stated = knob_int("tune_seconds");
  if (stated >= 0) return static_cast<double>(stated);
  return device.host_visible() ? 10 : 60;
}

// What decides an engine's bytes beside the source: options, knobs that change graphs, version.
std::string engine_key(const ModelSource& source, const LoadOptions& options, Device& device) {
  // An engine that was made without tuning must not serve those who want it tuned.
  const bool tuned = options.tune && tune_seconds(device) > 0;
  std::string text = fmt::format("{}|{}|{}|{}|{}|{}|{}", INGOT_VERSION, source.identity,
                                 options.build.dtype ? dtype_name(*options.build.dtype) : "",
                                 options.build.kv_dtype ? dtype_name(*options.build.kv_dtype) : "",
                                 knob_text("disable_passes"), device.identity(), tuned);
  if (builds_embeddings(source, options)) text += "|embeds";
  for (const auto& [name, value] : options.limits) text += fmt::format("|{}={}", name, value);
  if (!options.tokenizer_dir.empty()) {
    text += "|" + open_buildable(options.tokenizer_dir).identity;
  }
  return hash128(text).hex();
}

CompileOptions compile_options(const LoadOptions& options, Device* device, TimingCache* timings) {
  CompileOptions out;
  out.limits = options.limits;
  out.passes.disabled = parse_pass_names(knob_text("disable_passes"));
  out.passes.verify = knob_bool("verify");
  out.device = options.tune ? device : nullptr;
  out.timings = timings;
  if (out.device) out.tune_seconds = tune_seconds(*out.device);
  return out;
}

// How hidden states become a vector: as the model says. One that says nothing gives their mean, or,
// where tokens see only those before them, the last of them; both of length 1.
void add_embedding(const ModelSource& source, const ModelDef& model, Engine& engine) {
  const SentenceFiles& stated = source.sentences;
  if (!stated.refused.empty()) {
    engine.extras["no_embedding"] = stated.refused;
    return;
  }
  EmbeddingRules rules;
  if (model.answers) rules.pooling = Pooling::kLast;
  engine.extras["embedding"] = embedding_rules_to_json(stated.rules.value_or(rules)).dump();
}

// The tokenizer to store, opened once, so that no engine holds one that fails whenever the engine
// is loaded. One that is not supported stops those alone who need it: then the spec is empty and
// `why` is set.
std::string checked_tokenizer_spec(const ModelSource& source, std::string& why) {
  std::string spec = tokenizer_spec(source);
  const TokenizerMaterial& material = source.tokenizer;
  if (spec.empty()) why = unsupported_tokenizer(source);
  if (!material.gguf && material.tokenizer_json.empty()) return spec;  // none, or opened already
  try {
    Tokenizer::load(std::string_view(spec), material.gguf ? material.gguf_file->origin()
                                                          : file_beside(source, "tokenizer.json"));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    why = error.what();
    return {};
  }
  return spec;
}

std::shared_ptr<Engine> build_from_source(const ModelSource& source, const LoadOptions& options,
                                          Device* device, TimingCache* timings) {
  const ModelSource* texts = &source;
  ModelSource other;
  if (!options.tokenizer_dir.empty()) {
    other = open_buildable(options.tokenizer_dir);
    texts = &other;
  }
  if (options.task == ModelTask::kGenerate && !find_model(source).answers) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "{}: --task generate: expected a model that answers, found {}, which is an encoder and "
         "gives embeddings",
         source.path, source.architecture);
  }
  check_sampling_defaults(texts->generation, file_beside(*texts, "generation_config.json"));
  std::string no_tokenizer;
  const std::string spec = checked_tokenizer_spec(*texts, no_tokenizer);
  if (spec.empty() && texts == &other) {
    fail(ErrorCode::kNotFound, kWhere, "--tokenizer-dir {}: expected a tokenizer, found none{}",
         options.tokenizer_dir, no_tokenizer.empty() ? "" : ": " + no_tokenizer);
  }
  BuildOptions build = options.build;
  build.embeds = builds_embeddings(source, options);
  if (const auto blocks = options.limits.find("max_blocks"); blocks != options.limits.end()) {
    build.max_seq_len = blocks->second * kKvBlockTokens;
  }
  auto graph = build_model(source, build);
  check_length(source, options, *graph);
  auto engine = compile(*graph, compile_options(options, device, timings));
  if (!spec.empty()) engine->extras["tokenizer"] = spec;
  if (!no_tokenizer.empty()) engine->extras["no_tokenizer"] = no_tokenizer;
  if (!texts->chat_template.empty()) engine->extras["chat_template"] = texts->chat_template;
  if (graph->find("hidden") != kNoValue) add_embedding(source, find_model(source), *engine);
  engine->extras["generation"] = generation_defaults_to_json(texts->generation).dump();
  engine->extras["source"] = source.identity;
  return engine;
}

// Options that say nothing about this kind of model are mistakes.
void check_options(const std::string& path, const LoadOptions& options) {
  const bool network = is_onnx_path(path);
  if (!network && !options.profile.empty()) {
    fail(ErrorCode::kInvalidArgument, kWhere, "{}: shape profiles are for .onnx files", path);
  }
  const bool text = options.build.dtype || options.build.kv_dtype || !options.limits.empty() ||
                    !options.tokenizer_dir.empty() || options.task == ModelTask::kEmbed;
  if (network && text) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "{}: dtypes, tasks, token limits and tokenizers are for language models, this is an ONNX "
         "network",
         path);
  }
}

ModelSource open_source(const std::string& path, const LoadOptions& options) {
  return is_random_model(path) ? random_source(path, options.build.dtype) : open_buildable(path);
}

std::shared_ptr<Engine> build_any(const std::string& path, const LoadOptions& options,
                                  Device* device, TimingCache* timings) {
  check_options(path, options);
  if (!is_onnx_path(path)) {
    return build_from_source(open_source(path, options), options, device, timings);
  }
  return build_network(path, {.profile = options.profile,
                              .contents = {},
                              .compile = compile_options(options, device, timings)});
}

bool has_cache() {
  if (!ingot_cache_dir().empty()) return true;
  spdlog::warn("nothing is cached: expected one of {} to be set", kCacheVariables);
  return false;
}

// Writing the cache is a convenience: a read-only home must not stop a run. Older engines make
// room.
std::string try_save(const Engine& engine, const std::string& path) {
  try {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    make_folders(folder);
    save_engine(engine, path);
    const int64_t limit = knob_int("cache_limit_gb");
    for (const std::string& gone : evict_engines(folder, path, limit << 30)) {
      spdlog::warn("cached engine {} deleted: the cache may hold {} GiB (INGOT_CACHE_LIMIT_GB)",
                   gone, limit);
    }
    return path;
  } catch (const std::exception& error) {
    spdlog::warn("engine not cached: {}", error.what());
    return {};
  }
}

}  // namespace

// Before any work: a longer sequence has no positions in 32 bits. Other limits than the model's own
// are the caller's.
void check_length(const ModelSource& source, const LoadOptions& options, const Graph& graph) {
  const auto own = graph.limits().find("max_blocks");
  if (own == graph.limits().end() || options.limits.count("max_blocks")) return;
  if (own->second <= kv_blocks(kMostSequence)) return;
  const auto found = graph.metadata().find("max_position_embeddings");
  refuse(ErrorCode::kUnsupported, kWhere,
         {"config", source.config_file, "max_position_embeddings",
          fmt::format("at most {}", kMostSequence),
          (found == graph.metadata().end() ? "more" : found->second) +
              " ('ingot build --max-seq-len N' makes an engine for sequences of N tokens)"});
}

ModelSource open_buildable(const std::string& path) {
  if (is_regular_file(path) && looks_like_container(path)) {
    const bool network = Container::open(path)->has("extra.network");
    fail(ErrorCode::kInvalidArgument, kWhere,
         "{}: expected a model, found an engine, which is built already ('ingot {}' takes it)",
         path, network ? "exec" : "run");
  }
  return open_model_source(path);
}

std::string file_beside(const ModelSource& source, std::string_view name) {
  return (std::filesystem::path(source.config_file).parent_path() / name).string();
}

std::string resolve_any(const std::string& model) {
  return is_random_model(model) ? model : resolve_model(model);
}

namespace {

TokenizerConfig tokenizer_config(const ModelSource& source) {
  const std::string& json = source.tokenizer.tokenizer_config_json;
  if (json.empty()) return {};
  return parse_tokenizer_config(json, file_beside(source, "tokenizer_config.json"));
}

// The spec of a tokenizer in another format than tokenizer.json. One that is not supported stops
// those alone who need a tokenizer: then the spec is empty and `why` is set.
std::string tokenizer_file_spec(const ModelSource& source, std::string& why) {
  const TokenizerMaterial& material = source.tokenizer;
  const std::string path = file_beside(source, material.file_name);
  if (!reads_tokenizer_file(material.file_name)) {
    why = fmt::format("{}: expected a file that ends in {}, or a tokenizer.json beside it", path,
                      fmt::join(tokenizer_file_endings(), ", "));
    return {};
  }
  std::string spec =
      make_tokenizer_spec(material.file, material.file_name, tokenizer_config(source));
  try {
    Tokenizer::load(spec, path);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    why = error.what();
    return {};
  }
  return spec;
}

}  // namespace

std::string tokenizer_spec(const ModelSource& source) {
  const TokenizerMaterial& material = source.tokenizer;
  if (material.gguf) return make_tokenizer_spec(*material.gguf);
  std::string why;
  if (material.tokenizer_json.empty()) {
    return material.file_name.empty() ? "" : tokenizer_file_spec(source, why);
  }
  // Only its syntax: a kind that is not supported stops those alone who need a tokenizer.
  check_tokenizer_json(material.tokenizer_json, file_beside(source, "tokenizer.json"));
  return make_tokenizer_spec(material.tokenizer_json, tokenizer_config(source));
}

std::string unsupported_tokenizer(const ModelSource& source) {
  const TokenizerMaterial& material = source.tokenizer;
  if (is_random_model(source.path)) {
    return "its weights are random and its answers mean nothing: 'ingot bench' measures it";
  }
  std::string why;
  if (!material.gguf && material.tokenizer_json.empty() && !material.file_name.empty()) {
    tokenizer_file_spec(source, why);
  }
  return why;
}

namespace {
std::string timing_cache_path() { return ingot_cache_dir() + "/timing_cache.json"; }
}  // namespace

TimingCache load_timings() {
  return ingot_cache_dir().empty() ? TimingCache() : TimingCache::load(timing_cache_path());
}

void save_timings(const TimingCache& timings) {
  if (!timings.changed() || !has_cache()) return;
  try {
    const FileLock lock(timing_cache_path() + ".lock");
    TimingCache all = timings;
    all.merge(TimingCache::load(timing_cache_path()));  // what others have saved meanwhile
    all.save(timing_cache_path());
  } catch (const std::exception& error) {
    spdlog::warn("timing cache not saved: {}", error.what());
  }
}

std::shared_ptr<Engine> build_engine(const std::string& model, const LoadOptions& options,
                                     Device* device, TimingCache* timings) {
  return build_any(model, options, device, timings);
}

LoadedModel load_model(const std::string& model, const LoadOptions& options, Device& device) {
  const Stopwatch watch;
  LoadedModel out;
  const std::string path = resolve_any(model);
  if (is_regular_file(path) && looks_like_container(path)) {
    const char* flag = options.build.dtype              ? "--dtype"
                       : options.build.kv_dtype         ? "--kv-dtype"
                       : !options.tokenizer_dir.empty() ? "--tokenizer-dir"
                                                        : nullptr;
    if (flag) {
      fail(ErrorCode::kInvalidArgument, kWhere, "{}: {} cannot change a built engine", path, flag);
    }
    if (!options.profile.empty()) {
      fail(ErrorCode::kInvalidArgument, kWhere, "{}: a built engine has its shape profile", path);
    }
    out.engine = load_engine(path);
    out.engine_path = path;
    out.milliseconds = watch.ms();
    return out;
  }
  if (is_onnx_path(path)) {
    TimingCache timings = load_timings();
    out.engine = build_any(path, options, &device, &timings);
    out.built = true;
    if (options.use_cache) save_timings(timings);
    out.milliseconds = watch.ms();
    return out;
  }
  check_options(path, options);
  const ModelSource source = open_source(path, options);
  const bool use_cache = options.use_cache && has_cache();
  const std::string cached =
      fmt::format("{}/engines/{}.engine", ingot_cache_dir(), engine_key(source, options, device));
  if (use_cache && is_regular_file(cached)) {
    try {
      out.engine = load_engine(cached);
      const std::string stale = section_notice(*out.engine, device);
      if (stale.empty()) {
        touch_engine(cached);
        out.engine_path = cached;
        out.milliseconds = watch.ms();
        return out;
      }
      spdlog::info("cached engine is built anew: {}", stale);
    } catch (const Error& error) {
      spdlog::warn("cached engine is built anew: {}", error.what());
    }
  }
  TimingCache timings = load_timings();
  const std::shared_ptr<Engine> engine = build_from_source(source, options, &device, &timings);
  out.built = true;
  out.engine = engine;
  if (use_cache) {
    out.engine_path = try_save(*engine, cached);
    if (!out.engine_path.empty()) out.engine = load_engine(out.engine_path);
    save_timings(timings);
  }
  out.milliseconds = watch.ms();
  return out;
}

}  // namespace ingot
