#include <cstdio>

#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"
#include "cli/contract/device_measure.h"
#include "tensor/device.h"

namespace ingot {
namespace command_devices {

class Devices final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.flag("measure", &measure_, "time a large copy and a large product on each");
  }

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
        if (measure_) list.back()["measured"] = rates_json(measure_device(*open_device(info.name)));
        if (json) continue;
        std::printf("%-8s %s, %s, %.1f GB memory (%.1f GB free)\n", info.name.c_str(),
                    info.model.c_str(), info.detail.c_str(),
                    static_cast<double>(info.memory_bytes) * 1e-9,
                    static_cast<double>(info.free_bytes) * 1e-9);
        if (measure_) print_rates(list.back()["measured"]);
      }
    }
    if (json) print_json({{"devices", list}});
    return 0;
  }

 private:
  static void print_rates(const Json& rates) {
    std::printf("%-8s copies %.1f GB/s (read and written), multiplies %.2f TFLOP/s in %s (%s)\n",
                "", rates["copy_bytes_s"].get<double>() * 1e-9,
                rates["gemm_flop_s"].get<double>() * 1e-12,
                rates["gemm_dtype"].get_ref<const std::string&>().c_str(),
                rates["gemm_kernel"].get_ref<const std::string&>().c_str());
  }

  bool measure_ = false;
};

}  // namespace command_devices

const CommandDef& devices_command() {
  using namespace command_devices;
  static const CommandDef def = {
      .name = "devices",
      .help = "list the devices of this machine, with --measure their speed",
      .example = "ingot devices --json",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Devices>()); }};
  return def;
}

}  // namespace ingot
