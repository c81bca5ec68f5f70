// How much the folder of cached engines may hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ingot {

// Marks a cached engine as used now (its modification time). Failures are ignored: a cache that
// only others may write is still read.
void touch_engine(const std::string& path);

// Deletes engines (*.engine) of `folder`, least recently used first, until those left hold at most
// `limit` bytes; `keep` stays, whatever its size. 0 means no limit. Gives the paths it deleted. An
// engine that another process runs may go: its mapping stays whole until that process ends. What
// cannot be deleted, or is gone already, is passed over.
std::vector<std::string> evict_engines(const std::string& folder, const std::string& keep,
                                       int64_t limit);

}  // namespace ingot
