// Measured kernel times that outlive one build: a readable, mergeable file.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ingot {

// Keyed by device identity, kernel name, sources and version, tactic, KernelDesc::text() and
// kTimed. Not thread safe.
class TimingCache {
 public:
  // Counts changes of how candidates are timed, after which older times do not compare: they stay
  // in the file, as all entries do, and are not found.
  static constexpr int kTimed = 3;
  TimingCache() = default;
  // An absent file is an empty cache; an unreadable or malformed one is too, with a log line, since
  // every entry can be measured again.
  static TimingCache load(const std::string& path);
  void save(const std::string& path) const;  // Error{kIo}
  // Entries of `other` fill what is missing here.
  void merge(const TimingCache& other);

  static std::string key(std::string_view device, std::string_view kernel, int version,
                         std::string_view tactic, std::string_view desc);
  std::optional<double> find(const std::string& key) const;  // microseconds
  // Stands for a candidate that threw or gave wrong numbers, so that it is not tried again.
  static constexpr double kRefused = -1;
  // Stands for a candidate that was not timed because fewer rows had shown it to be far too slow.
  static constexpr double kHopeless = -2;
  void put(const std::string& key, double microseconds);
  bool changed() const { return changed_; }
  size_t size() const { return microseconds_.size(); }

 private:
  std::map<std::string, double> microseconds_;
  bool changed_ = false;
};

}  // namespace ingot
