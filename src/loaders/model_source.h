// One face for everything a model can be read from: a Hugging Face directory, a GGUF file, a
// checkpoint directory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/vocab_source.h"
#include "loaders/gguf.h"
#include "loaders/hf_config.h"
#include "loaders/sentence_files.h"
#include "loaders/weight_source.h"

namespace ingot {

// Error{kCorrupt} naming the key: arrays of different lengths, ids outside the vocabulary, unknown
// token types.
VocabSource read_gguf_vocab(const GgufFile& file);

// What a tokenizer is made from; fields that the source lacks are empty.
struct TokenizerMaterial {
  std::string tokenizer_json;
  std::string tokenizer_config_json;
  std::string file_name;  // of the tokenizer in another format (text/tokenizer_files.h)
  std::string file;       // its bytes
  std::optional<VocabSource> gguf;
  std::shared_ptr<const GgufFile> gguf_file;  // where `gguf` was read from; null without it

  bool empty() const { return tokenizer_json.empty() && file_name.empty() && !gguf; }
};

// In whose terms a source's config and the names and layouts of its weights are: the columns of
// models' tables (ConfigKey, WeightName). Hugging Face's leave out what the transformers library's
// classes have as defaults.
enum class ModelSourceKind { kHuggingFace, kGguf, kCheckpoint };

struct LoaderDef;

// Immutable after open_model_source; thread safe.
struct ModelSource {
  const LoaderDef* loader = nullptr;  // that opened it (loaders/loader_def.h); null: none did
  ModelSourceKind kind = ModelSourceKind::kHuggingFace;
  std::string path;  // as given
  // Hugging Face: architectures[0] ("LlamaForCausalLM"), else model_type; GGUF:
  // general.architecture ("llama"); checkpoint: "architecture".
  std::string architecture;
  // config.json as it is (checkpoint: with the defaults filled in); null for GGUF, whose metadata
  // models/ turns into Hugging Face terms.
  Json config;
  std::string config_file;  // names the source of config in messages
  std::shared_ptr<const WeightSource> weights;
  std::shared_ptr<const GgufFile> gguf;  // null unless kind is kGguf
  TokenizerMaterial tokenizer;
  std::string chat_template;  // empty: none
  GenerationDefaults generation;
  SentenceFiles sentences;  // what it says about embeddings
  // 32 hex digits over path, size and modification time of the files read (the index of the shards
  // excepted, which the shards' own headers make up for), the weights' headers
  // and a sample of their data: a model replaced at the same path gets another identity.
  std::string identity;
};

// Asks the loaders (loaders/kinds): a file that begins with "GGUF", a directory with config.json (a
// checkpoint by is_checkpoint()), a .safetensors file beside a config.json. Error{kNotFound, kIo,
// kUnsupported, kCorrupt} naming what was expected and found.
ModelSource open_model_source(const std::string& path);

}  // namespace ingot
