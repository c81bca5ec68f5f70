// Plugin libraries: include/ingot/plugin.h seen from the inside.
#pragma once

#include <string>
#include <vector>

namespace ingot {

struct PluginInfo {
  std::string path;
  std::vector<std::string> ops;
  std::vector<std::string> kernels;
};

// Opens the library at `path`, which the user must have named (its code runs), and registers what
// it offers for the life of the process. Error{kNotFound, kInvalidArgument, kUnsupported} naming
// the path: no regular file, not a plugin, another ABI version, a name that is taken, or what the
// plugin itself says. Nothing is registered on failure. Thread safe.
PluginInfo load_plugin(const std::string& path);

}  // namespace ingot
