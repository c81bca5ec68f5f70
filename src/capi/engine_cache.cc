#include "capi/engine_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

namespace ingot {
namespace {

namespace fs = std::filesystem;

struct CachedEngine {
  std::string path;
  int64_t bytes = 0;
  fs::file_time_type used;
};

std::vector<CachedEngine> list_engines(const std::string& folder) {
  std::vector<CachedEngine> out;
  std::error_code error;
  fs::directory_iterator it(folder, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::error_code gone;  // another process may delete it meanwhile
    if (it->path().extension() != ".engine" || !it->is_regular_file(gone)) continue;
    CachedEngine engine;
    engine.path = it->path().string();
    const auto bytes = it->file_size(gone);
    if (gone) continue;
    engine.used = it->last_write_time(gone);
    if (gone) continue;
    engine.bytes = static_cast<int64_t>(bytes);
    out.push_back(std::move(engine));
  }
  return out;
}

}  // namespace

void touch_engine(const std::string& path) { ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0); }

std::vector<std::string> evict_engines(const std::string& folder, const std::string& keep,
                                       int64_t limit) {
  std::vector<std::string> deleted;
  if (limit <= 0) return deleted;
  std::vector<CachedEngine> engines = list_engines(folder);
  std::sort(engines.begin(), engines.end(), [](const CachedEngine& a, const CachedEngine& b) {
    return a.used != b.used ? a.used < b.used : a.path < b.path;
  });
  int64_t total = 0;
  for (const CachedEngine& engine : engines) total += engine.bytes;
  const std::string kept = fs::path(keep).filename().string();
  for (const CachedEngine& engine : engines) {
    if (total <= limit) break;
    if (fs::path(engine.path).filename() == kept) continue;
    std::error_code error;
    if (!fs::remove(engine.path, error) || error) continue;
    total -= engine.bytes;
    deleted.push_back(engine.path);
  }
  return deleted;
}

}  // namespace ingot
