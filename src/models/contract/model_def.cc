#include "models/contract/model_def.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <mutex>
#include <set>

#include "base/check.h"
#include "base/log.h"
#include "base/nearest.h"
#include "loaders/checkpoint.h"
#include "models/contract/config_read.h"
#include "models/contract/convert_dtype.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "models";

// Integers and truth values are how quantized models of other programs are kept: computed on as
// they are they would give nonsense.
void check_weight_type(const WeightInfo& info, const std::string& origin) {
  if (info.type.is_block() || is_float(info.type.dtype)) return;
  refuse(
      ErrorCode::kUnsupported, kWhere,
      {"weight", origin, info.name, "floating-point or block-quantized weights", info.type.name()});
}

const std::string& stored_name(const std::string& name, const WeightTransform& transform) {
  return transform.stored.empty() ? name : transform.stored;
}

// A file's tensor for a weight.
struct Stored {
  std::string name;
  const WeightTransform* transform;
};

void add_stored(WeightTable& table, const WeightSource& source, const WeightName& name,
                const Stored& stored) {
  if (name.optional && !source.contains(stored.name)) return;
  const Shape& shape = stored.transform->shape;
  WeightInfo info = source.require(stored.name, shape.empty() ? name.shape : shape);
  check_weight_type(info, source.origin());
  if (stored.transform->apply) info = stored.transform->apply(info, table);
  CHECK_MSG(info.shape == name.shape, "'{}' became {}", stored.name, shape_text(info.shape));
  info.name = name.hf;
  table.add(std::move(info));
}

// The name that a Hugging Face file has for a tensor: with the first of the model's prefixes that
// the file knows it by.
std::string prefixed(const ModelDef& model, const WeightSource& source, const std::string& name) {
  for (std::string_view prefix : model.hf_prefixes) {
    std::string full = std::string(prefix) + name;
    if (source.contains(full)) return full;
  }
  // A decoder that was saved without its head ("Qwen3Model"): the names within "model".
  constexpr std::string_view kWithHead = "model.";
  if (model.hf_prefixes.empty() && name.starts_with(kWithHead) && !source.contains(name)) {
    std::string bare = name.substr(kWithHead.size());
    if (source.contains(bare)) return bare;
  }
  return model.hf_prefixes.empty() ? name : std::string(model.hf_prefixes[0]) + name;
}

Stored stored_in_hf(const ModelDef& model, const WeightSource& source, const WeightName& name) {
  Stored first = {prefixed(model, source, stored_name(name.hf, name.from_hf)), &name.from_hf};
  if (source.contains(first.name)) return first;
  for (const WeightTransform& other : name.or_from_hf) {
    Stored found = {prefixed(model, source, other.stored), &other};
    if (source.contains(found.name)) return found;
  }
  return first;
}

Stored stored_in_gguf(const WeightSource& source, const WeightName& name) {
  Stored first = {stored_name(name.gguf, name.from_gguf), &name.from_gguf};
  if (source.contains(first.name)) return first;
  for (const WeightTransform& other : name.or_from_gguf) {
    if (source.contains(other.stored)) return {other.stored, &other};
  }
  return first;
}

void add_hf(WeightTable& table, const WeightSource& source, const ModelDef& model,
            const WeightName& name) {
  // Tensors without bytes are made in the canonical layout at once.
  const WeightInfo* own = source.find(name.hf);
  if (own && own->random) {
    table.add(source.require(name.hf, name.shape));
  } else {
    add_stored(table, source, name, stored_in_hf(model, source, name));
  }
}

// Blocks run along rows: a vector has none that could be moved or cut.
void check_rows(const WeightInfo& info, const std::string& origin) {
  if (!info.type.is_block() || info.shape.size() >= 2) return;
  refuse(ErrorCode::kUnsupported, kWhere,
         {"weight", origin, info.name, "", "a vector in blocks of " + info.type.name()});
}

// Whether `name` is `pattern`, in which * stands for any text.
bool fits(std::string_view pattern, std::string_view name) {
  size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  name.remove_prefix(star);
  // The parts between stars, each at its first place; the last one at the end.
  for (;;) {
    pattern.remove_prefix(star + 1);
    star = pattern.find('*');
    if (star == std::string_view::npos) return name.ends_with(pattern);
    const size_t at = name.find(pattern.substr(0, star));
    if (at == std::string_view::npos) return false;
    name.remove_prefix(at + star);
  }
}

// Names of a file's tensors that no weight is read from and the model does not pass over.
std::vector<std::string> strangers(const WeightSource& source, const ModelDef& model,
                                   const std::set<std::string, std::less<>>& known) {
  std::vector<std::string> out;
  for (std::string& name : source.names()) {
    const bool ignored = std::any_of(model.ignored.begin(), model.ignored.end(),
                                     [&](std::string_view p) { return fits(p, name); });
    if (!ignored && !known.contains(name)) out.push_back(std::move(name));
  }
  return out;
}

// A GGUF file states much of a model by its tensors alone (biases, rotary factors): one that no
// weight of the architecture asks for would change the results, so it is not passed over.
void check_gguf_tensors(const WeightSource& source, const ModelDef& model,
                        const std::vector<WeightName>& names, RefusalList& refused) {
  std::set<std::string, std::less<>> known;
  for (const WeightName& name : names) {
    const std::string stored = stored_in_gguf(source, name).name;
    known.insert(stored);
    const WeightInfo* info = source.find(stored);
    if (info)
      refused.gather("weight", source.origin(), [&] { check_rows(*info, source.origin()); });
  }
  for (const std::string& unknown : strangers(source, model, known)) {
    refused.add(ErrorCode::kUnsupported,
                {"weight", source.origin(), unknown, "the weights of the architecture",
                 "one that it does not have"});
  }
}

// Hugging Face files keep buffers, other heads and other towers beside a model's weights: what is
// left over is most often meant to be, and a mistake where the config counts too few layers.
void warn_of_unused_tensors(const WeightSource& source, const ModelDef& model,
                            const std::vector<WeightName>& names) {
  std::set<std::string, std::less<>> known;
  for (const WeightName& name : names) {
    known.insert(stored_in_hf(model, source, name).name);
    known.insert(name.hf);  // random weights
  }
  const std::vector<std::string> unused = strangers(source, model, known);
  if (unused.empty()) return;
  spdlog::warn("{}: {} of {} tensors are no weights of '{}' by its config and are unused: '{}'{}",
               source.origin(), unused.size(), source.names().size(), model.name, unused[0],
               unused.size() > 1 ? ", ..." : "");
}

// Rows of `name` inside its checkpoint tensor, which may be kept as segments of different formats.
void add_checkpoint(WeightTable& table, const WeightSource& source, const WeightName& name,
                    int64_t first_row) {
  const bool present =
      source.contains(name.checkpoint) || source.contains(name.checkpoint + ".segment.0");
  if (name.optional && !present) return;
  int64_t row = 0;
  for (const WeightInfo* piece : checkpoint_segments(source, name.checkpoint)) {
    const int64_t rows = piece->shape.empty() ? 0 : piece->shape[0];
    check_rows(*piece, source.origin());
    if (first_row >= row && first_row + name.shape[0] <= row + rows) {
      const int64_t row_bytes = piece->type.bytes(element_count(piece->shape) / rows);
      WeightInfo info = *piece;
      info.name = name.hf;
      info.shape = name.shape;
      info.bytes = piece->bytes.subspan(static_cast<size_t>((first_row - row) * row_bytes),
                                        static_cast<size_t>(name.shape[0] * row_bytes));
      Shape expected = piece->shape;
      expected[0] = name.shape[0];
      if (expected != name.shape) break;
      table.add(std::move(info));
      return;
    }
    row += rows;
  }
  fail(ErrorCode::kCorrupt, kWhere, "{}: tensor '{}': expected rows {} to {} as {}",
       source.origin(), name.checkpoint, first_row, first_row + name.shape[0],
       shape_text(name.shape));
}

const std::string& config_name(const ModelSource& source) {
  return source.config_file.empty() ? source.path : source.config_file;
}

// What a checkpoint may ask for beside its weights, and nothing here does yet.
void check_checkpoint(const ModelSource& source, const ModelDef& model, RefusalList& refused) {
  const std::string& file = config_name(source);
  const Json& config = source.config;
  const auto positions = json_get<std::string>(config, "position_embedding_type", "", kWhere, file);
  const auto& known = model.position_embeddings;
  if (std::find(known.begin(), known.end(), positions) == known.end()) {
    refused.add(ErrorCode::kUnsupported,
                {"config", file, "position_embedding_type",
                 fmt::format("{}", fmt::join(known, " or ")), fmt::format("'{}'", positions)});
  }
  const auto quantization = config.find("quantization");
  if (quantization == config.end()) return;
  for (const char* key : {"quant_algo", "kv_cache_quant_algo"}) {
    const auto algorithm = json_get<std::string>(*quantization, key, "", kWhere, file);
    if (algorithm.empty()) continue;
    refused.add(ErrorCode::kUnsupported, {"config", file, fmt::format("quantization.{}", key),
                                          "null", fmt::format("'{}'", algorithm)});
  }
}

// Weights of other programs' quantization mean nothing without what their config says of them.
void check_unquantized(const ModelSource& source, RefusalList& refused) {
  for (const char* key : {"quantization_config", "compression_config"}) {
    const auto found = source.config.find(key);
    if (found == source.config.end() || found->is_null()) continue;
    const auto method = found->is_object() ? found->find("quant_method") : found->end();
    const bool named = method != found->end() && method->is_string();
    refused.add(
        ErrorCode::kUnsupported,
        {"config", config_name(source), key,
         "none (weights of float32, bfloat16 and float16, and quantized ones of GGUF files)",
         named ? method->dump() : found->dump().substr(0, 60)});
  }
}

// A weight's tensor in a Hugging Face file, by its GGUF name; null where either has none.
const WeightInfo* hf_tensor(const ModelSource& source, const ModelDef& model,
                            const std::vector<WeightName>& names, std::string_view gguf) {
  for (const WeightName& name : names) {
    if (name.gguf != gguf) continue;
    return source.weights->find(stored_in_hf(model, *source.weights, name).name);
  }
  return nullptr;
}

// A head that the file keeps beside the embedding, with other bytes, is the head, whatever the
// config says: so does the transformers library from version 5 on.
void untie_other_head(const ModelSource& source, const ModelDef& model, Json& config) {
  if (source.kind != ModelSourceKind::kHuggingFace || !source.weights) return;
  const auto tied = config.find("tie_word_embeddings");
  if (tied == config.end() || *tied != true) return;
  Json untied = config;
  untied["tie_word_embeddings"] = false;
  const std::vector<WeightName> names = model.weights(untied);
  const WeightInfo* head = hf_tensor(source, model, names, "output.weight");
  const WeightInfo* embedding = hf_tensor(source, model, names, "token_embd.weight");
  if (!head || !embedding) return;
  const auto &a = head->bytes, &b = embedding->bytes;
  const bool same = head->type == embedding->type && head->shape == embedding->shape &&
                    (a.data() == b.data() || std::ranges::equal(a, b));
  if (same) return;
  spdlog::warn("{}: '{}' is not '{}', as 'tie_word_embeddings' says; it is the head",
               source.weights->origin(), head->name, embedding->name);
  config = std::move(untied);
}

// The parsed config with what is refused of it in `refused`: after each refused value it is read
// again with one that stands in. False where the weights cannot be told by it.
bool read_config(const ModelSource& source, const ModelDef& model, RefusalList& refused,
                 Json& config) {
  const std::string& file = config_name(source);
  Json raw;
  const bool whole = refused.gather("config", file, [&] {
    if (source.kind == ModelSourceKind::kCheckpoint) check_checkpoint(source, model, refused);
    if (source.kind == ModelSourceKind::kHuggingFace) check_unquantized(source, refused);
    raw = source_config(source, all_keys(model.keys));
  });
  bool same_weights = whole && refused.empty();
  if (source.kind == ModelSourceKind::kHuggingFace) {
    refused.gather("config", file, [&] { read_config_dtype(source.config, file); });
  }
  while (whole) {
    try {
      config = model.parse_config(source, raw);
      if (refused.empty()) untie_other_head(source, model, config);
      return same_weights;
    } catch (const ConfigRefusal& error) {
      if (!refused.add(error, "config", file)) break;  // nothing stands in for it
      same_weights = same_weights && error.instead().same_weights;
      for (const auto& [key, value] : error.instead().values.items()) raw[key] = value;
    } catch (const Error& error) {
      refused.add(error, "config", file);
      break;
    }
  }
  return false;
}

void add_weight(WeightTable& table, const ModelSource& source, const ModelDef& model,
                const WeightName& name, int64_t row) {
  const WeightSource& stored = *source.weights;
  switch (source.kind) {
    case ModelSourceKind::kHuggingFace:
      add_hf(table, stored, model, name);
      break;
    case ModelSourceKind::kGguf:
      add_stored(table, stored, name, stored_in_gguf(stored, name));
      break;
    case ModelSourceKind::kCheckpoint:
      add_checkpoint(table, stored, name, row);
      break;
  }
  const WeightInfo* info = table.find(name.hf);
  if (info) check_weight_type(*info, table.origin());
}

// In `dtype`, but for what stays as it is.
std::shared_ptr<const WeightSource> converted(const std::shared_ptr<const WeightSource>& weights,
                                              const std::vector<WeightName>& names, DType dtype) {
  std::set<std::string> kept;
  for (const WeightName& name : names) {
    if (name.as_stored) kept.insert(name.hf);
  }
  return convert_weights(weights, dtype, kept);
}

std::unique_ptr<Graph> build_graph(const ModelDef& model, const Json& config,
                                   std::shared_ptr<const WeightSource> weights,
                                   const BuildOptions& options) {
  if (options.dtype) weights = converted(weights, model.weights(config), *options.dtype);
  auto graph = std::make_unique<Graph>(std::string(model.name));
  graph->metadata()["architecture"] = std::string(model.name);
  graph->metadata()["config"] = config.dump();
  model.build(config, *weights, options, *graph);
  graph->keep_alive(weights);
  return graph;
}

// For embeddings no head is read: where the source has none, the table is that of a tied one.
void drop_missing_head(const ModelSource& source, const ModelDef& model, Json& config) {
  const auto tied = config.find("tie_word_embeddings");
  if (source.kind != ModelSourceKind::kHuggingFace || tied == config.end() || *tied != false) {
    return;
  }
  const auto names = model.weights(config);
  if (!hf_tensor(source, model, names, "output.weight")) *tied = true;
}

// Of a decoder whose graph ends in hidden states. One that was trained on to see both ways says so.
void prepare_embeds(const ModelSource& source, const ModelDef& model, Json& config) {
  const std::string& file = config_name(source);
  if (source.config.is_object() && !json_get(source.config, "is_causal", true, kWhere, file)) {
    refuse(
        ErrorCode::kUnsupported, kWhere,
        {"config", file, "is_causal", "true (a decoder's tokens see those before them)", "false"});
  }
  drop_missing_head(source, model, config);
}

// ", did you mean 'X'?": the name with the nearest family, what stands before "For" and the task.
std::string meant_architecture(std::string_view given, const std::vector<std::string>& known) {
  const auto family = [](std::string_view name) {
    return std::string(name.substr(0, std::min(name.find("For"), name.find("LMHead"))));
  };
  std::vector<std::string> families;
  families.reserve(known.size());
  for (const std::string& name : known) families.push_back(family(name));
  const std::string near = nearest_name(family(given), families);
  const auto found = std::find(families.begin(), families.end(), near);
  if (near.empty() || found == families.end()) return "";
  return fmt::format(", did you mean '{}'?", known[static_cast<size_t>(found - families.begin())]);
}

struct Models {
  std::mutex mutex;
  std::vector<const ModelDef*> list = models_model_list();

  // Under the mutex. `known`, where given, gets the names that were looked at.
  const ModelDef* find(std::string_view architecture, std::vector<std::string>* known) const {
    for (const ModelDef* model : list) {
      if (model->name == architecture) return model;
      for (std::string_view alias : model->architectures) {
        if (alias == architecture) return model;
        if (known) known->emplace_back(alias);
      }
    }
    // A decoder's class without the head, in which embedding models are saved.
    constexpr std::string_view kBare = "Model";
    if (!architecture.ends_with(kBare)) return nullptr;
    architecture.remove_suffix(kBare.size());
    return find(std::string(architecture) + "ForCausalLM", nullptr);
  }
};

Models& all_models() {
  static Models models;
  return models;
}

}  // namespace

void register_model(const ModelDef& model) {
  Models& models = all_models();
  std::lock_guard lock(models.mutex);
  std::vector<std::string_view> names = model.architectures;
  names.push_back(model.name);
  for (std::string_view name : names) {
    const ModelDef* taken = models.find(name, nullptr);
    if (taken == &model) return;
    if (taken) {
      fail(ErrorCode::kInvalidArgument, kWhere, "architecture '{}' exists already", name);
    }
  }
  models.list.push_back(&model);
}

const ModelDef& find_model(std::string_view architecture) {
  Models& models = all_models();
  std::lock_guard lock(models.mutex);
  std::vector<std::string> known;
  if (const ModelDef* model = models.find(architecture, &known)) return *model;
  fail(ErrorCode::kUnsupported, kWhere, "unknown architecture '{}'{}; known: {}", architecture,
       meant_architecture(architecture, known), fmt::join(known, ", "));
}

const ModelDef& find_model(const ModelSource& source) {
  Models& models = all_models();
  std::lock_guard lock(models.mutex);
  const ModelDef* found = nullptr;
  for (const ModelDef* model : models.list) {
    if (!model->claims || !model->claims(source)) continue;
    CHECK_MSG(!found, "'{}' and '{}' claim {}", found->name, model->name, source.path);
    found = model;
  }
  if (found) return *found;
  std::vector<std::string> known;
  if (const ModelDef* model = models.find(source.architecture, &known)) return *model;
  refuse(
      ErrorCode::kUnsupported, kWhere,
      {"architecture", config_name(source), "architecture",
       fmt::format("one of {}", fmt::join(known, ", ")),
       fmt::format("'{}'{}", source.architecture, meant_architecture(source.architecture, known))});
}

Json model_config(const ModelSource& source, const ModelDef& model) {
  RefusalList refused;
  Json config;
  read_config(source, model, refused, config);
  refused.throw_if_any(kWhere);
  return config;
}

std::shared_ptr<const WeightSource> canonical_weights(const ModelSource& source,
                                                      const ModelDef& model, const Json& config) {
  auto table = std::make_shared<WeightTable>(source.weights->origin());
  for (const auto& file : source.weights->files()) table->add_file(file);
  const std::vector<WeightName> names = model.weights(config);
  RefusalList refused;
  std::string group;
  int64_t row = 0;
  for (const WeightName& name : names) {
    if (name.checkpoint != group) row = 0;
    group = name.checkpoint;
    refused.gather("weight", table->origin(),
                   [&] { add_weight(*table, source, model, name, row); });
    row += name.shape.empty() ? 0 : name.shape[0];
  }
  if (source.kind == ModelSourceKind::kGguf) {
    check_gguf_tensors(*source.weights, model, names, refused);
  }
  refused.throw_if_any(kWhere);
  if (source.kind == ModelSourceKind::kHuggingFace) {
    warn_of_unused_tensors(*source.weights, model, names);
  }
  // Sources hold what they map or copied; keep all of it alive with the table.
  return std::shared_ptr<const WeightSource>(
      table.get(), [table, keep = source.weights](const WeightSource*) mutable {
        table.reset();
        keep.reset();
      });
}

std::unique_ptr<Graph> build_model(const ModelSource& source, const BuildOptions& options) {
  const ModelDef& model = find_model(source);
  Json config = model_config(source, model);
  if (options.embeds && model.answers) prepare_embeds(source, model, config);
  return build_graph(model, config, canonical_weights(source, model, config), options);
}

std::unique_ptr<Graph> examine_model(const ModelSource& source, RefusalList& refused) {
  const std::string& file = config_name(source);
  const ModelDef* model = nullptr;
  Json config;
  std::shared_ptr<const WeightSource> weights;
  std::unique_ptr<Graph> graph;
  if (!refused.gather("architecture", file, [&] { model = &find_model(source); })) return graph;
  if (!read_config(source, *model, refused, config)) return graph;
  BuildOptions options;
  options.embeds = model->answers && source.sentences.rules.has_value();
  if (options.embeds) {
    refused.gather("config", file, [&] { prepare_embeds(source, *model, config); });
  }
  const bool whole = refused.gather("weight", source.weights->origin(),
                                    [&] { weights = canonical_weights(source, *model, config); });
  if (!whole || !refused.empty()) return graph;
  refused.gather("op", file, [&] { graph = build_graph(*model, config, weights, options); });
  if (graph && !model->answers && !model->encodes) {
    refused.add(ErrorCode::kUnsupported,
                {"architecture", file, std::string(model->name), "a model that answers text",
                 "another ('ingot build' and 'ingot conformance' take it)"});
  }
  return graph;
}

void convert_model(const ModelSource& source, const BuildOptions& options,
                   const std::string& directory) {
  const ModelDef& model = find_model(source);
  const Json config = model_config(source, model);
  std::shared_ptr<const WeightSource> weights = canonical_weights(source, model, config);
  if (options.dtype) weights = converted(weights, model.weights(config), *options.dtype);
  std::vector<CheckpointTensor> tensors;
  for (const WeightName& name : model.weights(config)) {
    if (name.optional && !weights->contains(name.hf)) continue;
    if (tensors.empty() || tensors.back().name != name.checkpoint) {
      tensors.push_back({name.checkpoint, {}});
    }
    tensors.back().sources.push_back(name.hf);
  }
  write_checkpoint(directory, checkpoint_config(model, config, *weights), *weights, tensors,
                   source);
}

}  // namespace ingot
