// The one file that knows yaml-cpp.
#include "cli/contract/config_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <ios>

#include "base/error.h"
#include "cli/contract/command.h"

namespace ingot {
namespace {

UsageError wrong_config(const std::string& path, const YAML::Mark& mark, const std::string& what) {
  return UsageError(fmt::format("{}:{}: {}", path, mark.line + 1, what));
}

std::string value_of(const std::string& path, const YAML::Node& key, const std::string& name,
                     const YAML::Node& node) {
  if (node.IsScalar() && !node.Scalar().empty()) return node.Scalar();
  throw wrong_config(path, key.Mark(),
                     fmt::format("{}: expected a value, found {}", name,
                                 node.IsMap()        ? "a map"
                                 : node.IsSequence() ? "a list"
                                                     : "none"));
}

std::vector<ConfigEntry> entries_of(const std::string& path, const YAML::Node& root) {
  std::vector<ConfigEntry> out;
  if (root.IsNull()) return out;
  if (!root.IsMap()) throw wrong_config(path, root.Mark(), "expected lines 'flag: value'");
  for (const auto& item : root) {
    ConfigEntry entry;
    entry.line = item.first.Mark().line + 1;
    entry.name = value_of(path, item.first, "a key", item.first);
    const bool twice = std::any_of(out.begin(), out.end(),
                                   [&](const auto& other) { return other.name == entry.name; });
    if (twice) throw wrong_config(path, item.first.Mark(), entry.name + " is given twice");
    if (item.second.IsSequence()) {
      for (const YAML::Node& value : item.second) {
        entry.values.push_back(value_of(path, item.first, entry.name, value));
      }
    } else {
      entry.values.push_back(value_of(path, item.first, entry.name, item.second));
    }
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace

std::vector<ConfigEntry> read_config_file(const std::string& path) {
  try {
    return entries_of(path, YAML::LoadFile(path));
  } catch (const YAML::BadFile&) {
    fail(ErrorCode::kIo, "cli", "--config {}: cannot be read", path);
  } catch (const std::ios_base::failure&) {  // a folder opens, and cannot be read
    fail(ErrorCode::kIo, "cli", "--config {}: cannot be read", path);
  } catch (const YAML::Exception& error) {
    throw wrong_config(path, error.mark, "not YAML: " + error.msg);
  }
}

}  // namespace ingot
