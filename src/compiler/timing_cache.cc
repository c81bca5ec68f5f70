#include "compiler/timing_cache.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

namespace ingot {

TimingCache TimingCache::load(const std::string& path) {
  TimingCache cache;
  if (!is_regular_file(path)) return cache;
  try {
    const Json json = parse_json(read_file(path), "compiler/timing_cache", path);
    if (!json.is_object()) throw Error(ErrorCode::kCorrupt, path + ": not an object");
    for (const auto& [key, value] : json.items()) {
      if (!value.is_number()) continue;
      const auto time = value.get<double>();
      if (time > 0 || time == kRefused || time == kHopeless) cache.microseconds_[key] = time;
    }
  } catch (const Error& error) {
    spdlog::warn("timing cache ignored: {}", error.what());
    cache.microseconds_.clear();
  }
  return cache;
}

void TimingCache::save(const std::string& path) const {
  Json json = Json::object();
  for (const auto& [key, value] : microseconds_) json[key] = value;
  AtomicFile file(path);
  file.write(json.dump(1));
  file.commit();
}

void TimingCache::merge(const TimingCache& other) {
  for (const auto& [key, value] : other.microseconds_) {
    changed_ |= microseconds_.emplace(key, value).second;
  }
}

std::string TimingCache::key(std::string_view device, std::string_view kernel, int version,
                             std::string_view tactic, std::string_view desc) {
  return fmt::format("{} | {} v{} {} | {} | timed {}", device, kernel, version, tactic, desc,
                     kTimed);
}

std::optional<double> TimingCache::find(const std::string& key) const {
  auto it = microseconds_.find(key);
  if (it == microseconds_.end()) return std::nullopt;
  return it->second;
}

void TimingCache::put(const std::string& key, double microseconds) {
  microseconds_[key] = microseconds;
  changed_ = true;
}

}  // namespace ingot
