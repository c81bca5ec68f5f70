#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"
#include "loaders/hub.h"

namespace ingot {
namespace command_pull {

uint64_t bytes_below(const std::string& path) {
  if (is_regular_file(path)) return std::filesystem::file_size(path);
  uint64_t out = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    if (it->is_regular_file()) out += it->file_size();
  }
  return out;
}

class Pull final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.argument("name", &name_, "org/name[@revision][:TAG] or smollm2-135m-instruct");
    flags.flag("revision", &revision_, "branch, tag or commit");
    flags.flag("file", &file_, "this one file of the repository");
    flags.given(&given_);
  }

  int run() override {
    for (const std::string_view flag : {"revision", "file"}) {
      if (!is_pinned_model(name_) || std::ranges::find(given_, flag) == given_.end()) continue;
      throw UsageError(fmt::format("--{}: '{}' is one pinned file, found another {}", flag, name_,
                                   flag == "file" ? "file's name" : "revision"));
    }
    PullOptions options;
    options.revision = revision_;
    options.file = file_;
    const std::string path = pull(name_, options);
    const uint64_t bytes = bytes_below(path);
    if (json) {
      print_json({{"model", name_}, {"path", path}, {"bytes", bytes}});
    } else {
      note_line(fmt::format("{}: {:.1f} MB", name_, static_cast<double>(bytes) * 1e-6));
      std::printf("%s\n", path.c_str());
    }
    return 0;
  }

 private:
  std::string name_;
  std::string revision_ = "main";
  std::string file_;
  std::vector<std::string> given_;
};

}  // namespace command_pull

const CommandDef& pull_command() {
  using namespace command_pull;
  static const CommandDef def = {
      .name = "pull",
      .help = "download a model into the cache and print where it lies",
      .example = "ingot pull smollm2-135m-instruct",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Pull>()); }};
  return def;
}

}  // namespace ingot
