#include <cstdio>

#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"
#include "tensor/device.h"

namespace ingot {
namespace command_devices {

class Devices final : public Command {
 public:
  void declare(Flags&) override {}

  int run() override {
    Json list = Json::array();
    for (const DeviceDef* def : tensor_device_list()) {
      for (const DeviceInfo& info : def->list()) {
        list.push_back({{"name", info.name},
                        {"kind", std::string(def->kind)},
                        {"model", info.model},
                        {"detail", info.detail},
                        {"memory_bytes", info.memory_bytes},
                        {"free_memory_bytes", info.free_bytes},
                        {"identity", open_device(info.name)->identity()}});
        if (json) continue;
        std::printf("%-8s %s, %s, %.1f GB memory (%.1f GB free)\n", info.name.c_str(),
                    info.model.c_str(), info.detail.c_str(),
                    static_cast<double>(info.memory_bytes) * 1e-9,
                    static_cast<double>(info.free_bytes) * 1e-9);
      }
    }
    if (json) print_json({{"devices", list}});
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
