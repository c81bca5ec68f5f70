// The names of the hub's world: repositories, revisions, paths, and which files a model needs.
// No network here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// Lists the shards of weights.
bool is_shard_index(std::string_view file);

struct HubName {
  std::string repo;      // "org/name"
  std::string revision;  // "main"
  std::string tag;       // "Q4_0", or empty
};

// "org/name[@revision][:TAG]"; Error{kInvalidArgument} says what is wrong with it.
HubName parse_hub_name(std::string_view text, std::string_view default_revision);
bool looks_like_hub_name(std::string_view text);

// A relative path without empty, "." or ".." parts, backslashes or control characters.
bool is_safe_path(std::string_view path);

// Which of a repository's files to fetch, weights last. `file` asks for one; a tag for the .gguf
// file(s) that hold it; else configuration, tokenizer (one in another format only without a
// tokenizer.json) and safetensors (with a shard index: the index without the shards), where there
// are none PyTorch's files, and without those the only .gguf. Error{kNotFound} names what there is
// instead.
std::vector<std::string> select_files(const std::vector<std::string>& files, const HubName& name,
                                      const std::string& file);

// The shard files that an index names, sorted; Error{kCorrupt}.
std::vector<std::string> shards_of_index(const std::string& path);

// A variable of the environment, empty if it is not set; text without blanks at its ends.
std::string environment(const char* name);
std::string trimmed(std::string_view text);

}  // namespace ingot
