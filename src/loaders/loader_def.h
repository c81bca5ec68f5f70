// The contract of a kind of model that can be opened: loaders/kinds/<name>.cc defines
// `const LoaderDef& <name>_loader()`. A loader gives config and weights in terms that models know
// (ModelSourceKind): one of another spelling puts them into Hugging Face's.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/hf_config.h"
#include "loaders/model_source.h"

namespace ingot {

// What a user names, looked at once for all loaders.
struct ModelPath {
  std::string path;
  bool is_directory = false;
  std::vector<std::string> entries;  // of a directory: names, sorted
  std::string head;                  // of a file: its first bytes

  // Of the directory: whether a name is there, for all that one may tell; a name's path.
  bool has(std::string_view name) const;
  std::string file(std::string_view name) const;
};

struct OpenedModel {
  ModelSource source;                    // but for loader and identity
  std::vector<std::string> small_files;  // paths of what was read beside the weights
};

struct LoaderDef {
  std::string_view name;
  std::string_view title;  // to users: "GGUF file"
  // Of messages, what is expected: a file ("a GGUF", before "file"), in a folder ("config.json").
  std::string_view file, folder;
  // No two claim the same path; must not throw. Opening may still find faults.
  bool (*claims)(const ModelPath& at);
  OpenedModel (*open)(const ModelPath& at);
  bool last = false;  // claims what the others leave
};

// Generated from loaders/kinds/*.cc.
const std::vector<const LoaderDef*>& loaders_loader_list();

// open_model_source() by these loaders.
ModelSource open_model_source(const std::string& path, std::span<const LoaderDef* const> loaders);

// What folders with a config.json have in common: tokenizer, chat template, defaults of generation
// and embedding rules, by `files` and the source's config, which is there.
void add_config_folder(OpenedModel& model, const std::string& directory, HfFiles files);

}  // namespace ingot
