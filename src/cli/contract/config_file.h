// A file of flags in YAML: a map whose keys are names of flags without their dashes.
#pragma once

#include <string>
#include <vector>

namespace ingot {

struct ConfigEntry {
  std::string name;
  std::vector<std::string> values;  // of a list all, else one; none is empty
  int line = 0;                     // from 1
};

// In the file's order; UsageError names path and line, Error{kIo} a file that cannot be read.
std::vector<ConfigEntry> read_config_file(const std::string& path);

}  // namespace ingot
