// From what a user names to an engine in memory: what the C ABI and the command line share.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "capi/network.h"
#include "compiler/compile.h"
#include "engine/engine.h"
#include "models/contract/model_def.h"
#include "tensor/device.h"

namespace ingot {

// What a decoder is built for: answers, or embeddings (its hidden states). kAuto: embeddings where
// the model says how they are made (loaders/sentence_files.h, GGUF's pooling_type).
enum class ModelTask { kAuto, kGenerate, kEmbed };

struct LoadOptions {
  ModelTask task = ModelTask::kAuto;
  BuildOptions build;
  SymbolValues limits;        // stored in the engine as defaults
  bool use_cache = true;      // look for, and keep, built engines below the knob cache_dir
  bool tune = true;           // measure tactics on `device` while building
  std::string tokenizer_dir;  // tokenizer files from here instead of the model's own
  ShapeProfile profile;       // .onnx files alone
};

struct LoadedModel {
  std::shared_ptr<const Engine> engine;
  std::string engine_path;  // empty when it was built in memory only
  bool built = false;       // false: an engine file was opened
  double milliseconds = 0;
};

// `model` is an engine, a checkpoint, a Hugging Face directory, a .gguf or .onnx file, a hub name
// (loaders/hub.h), or "random:<preset>" (models/contract/presets.h). A missing engine is built,
// with progress, and kept in the cache under a name that depends on the source's identity, the
// options and Ingot's version (with no folder for it: in memory, with a line in the log), so that a
// replaced model is built anew; so is one tuned with kernels that have changed since. Past the knob
// cache_limit_gb the engines used longest ago are deleted, with a line in the log. An .onnx file is
// built in memory each time, since its weights may lie in other files. Errors as in the rooms
// below, and kInvalidArgument for options of the other kind of model (dtypes, limits and tokenizers
// of language models; profiles of networks).
LoadedModel load_model(const std::string& model, const LoadOptions& options, Device& device);

// Builds without looking at the cache. `model` is a local path to anything but an engine, or
// "random:<preset>".
std::shared_ptr<Engine> build_engine(const std::string& model, const LoadOptions& options,
                                     Device* device, TimingCache* timings);

// RefusedError{kUnsupported} for a model of longer sequences than there are positions, unless the
// options limit them.
void check_length(const ModelSource& source, const LoadOptions& options, const Graph& graph);

// open_model_source() that knows an engine where it finds one: Error{kInvalidArgument} says so.
ModelSource open_buildable(const std::string& path);

// The path of a file in the folder that the model's config lies in.
std::string file_beside(const ModelSource& source, std::string_view name);

// resolve_model() (loaders/hub.h) of a model's name; "random:<preset>" stays what it is.
std::string resolve_any(const std::string& model);

// Self-contained tokenizer bytes (text/tokenizer.h) of a source; empty when it has none.
std::string tokenizer_spec(const ModelSource& source);

// Why a source that brings a tokenizer has none here: names the file and what is supported. Empty
// when it brings none, or one that can be read.
std::string unsupported_tokenizer(const ModelSource& source);

// Measured kernel times, kept below the knob cache_dir. Saving is a convenience: where it fails, or
// there is no such folder, a line in the log says so. What other builds saved since the load stays.
TimingCache load_timings();
void save_timings(const TimingCache& timings);

}  // namespace ingot
