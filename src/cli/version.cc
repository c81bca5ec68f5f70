#include <cstdio>

#include "cli/contract/build_commit.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"
#include "tensor/cpu_isa.h"

namespace ingot {
namespace command_version {

class Version final : public Command {
 public:
  void declare(Flags&) override {}
  int run() override {
    const std::string isa = cpu_isa_name(cpu_isa());
    if (json) {
      print_json({{"version", INGOT_VERSION},
                  {"commit", build_commit()},
                  {"cpu_isa", isa},
                  {"compiler", __VERSION__}});
    } else {
      const std::string commit(build_commit());
      std::printf("ingot %s (%s%scpu %s, gcc %s)\n", INGOT_VERSION, commit.c_str(),
                  commit.empty() ? "" : ", ", isa.c_str(), __VERSION__);
    }
    return 0;
  }
};

}  // namespace command_version

const CommandDef& version_command() {
  using namespace command_version;
  static const CommandDef def = {
      .name = "version",
      .help = "print version, commit, compiler and CPU instruction set",
      .example = "ingot version --json",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Version>()); }};
  return def;
}

}  // namespace ingot
