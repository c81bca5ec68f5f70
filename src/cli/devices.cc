#include <unistd.h>

#include <cstdio>

#include "base/thread_team.h"
#include "capi/model_loader.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"
#include "tensor/cpu_isa.h"

namespace ingot {
namespace command_devices {

class Devices final : public Command {
 public:
  void declare(Flags&) override {}

  int run() override {
    const auto cpu = make_device("cpu");
    const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    const uint64_t total = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * page;
    const uint64_t free = static_cast<uint64_t>(::sysconf(_SC_AVPHYS_PAGES)) * page;
    const std::string isa = cpu_isa_name(cpu_isa());
    if (json) {
      const Json device = {{"name", "cpu"},
                           {"model", cpu_model_name()},
                           {"isa", isa},
                           {"threads", cpu->team()->size()},
                           {"cpus", available_cpus()},
                           {"memory_bytes", total},
                           {"free_memory_bytes", free},
                           {"identity", cpu->identity()}};
      print_json({{"devices", Json::array({device})}});
      return 0;
    }
    std::printf("cpu   %s, %s, %d threads of %d CPUs, %.1f GB memory (%.1f GB free)\n",
                cpu_model_name().c_str(), isa.c_str(), cpu->team()->size(), available_cpus(),
                static_cast<double>(total) * 1e-9, static_cast<double>(free) * 1e-9);
    return 0;
  }
};

}  // namespace command_devices

const CommandDef& devices_command() {
  using namespace command_devices;
  static const CommandDef def = {
      .name = "devices",
      .help = "list the devices that this machine can run on",
      .example = "ingot devices --json",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Devices>()); }};
  return def;
}

}  // namespace ingot
