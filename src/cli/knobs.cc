#include "base/knobs.h"

#include <cstdio>

#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"

namespace ingot {
namespace command_knobs {

class Knobs final : public Command {
 public:
  void declare(Flags&) override {}
  int run() override {
    Json out = Json::array();
    for (const Knob& knob : all_knobs()) {
      const std::string value = knob_text(knob.name);
      if (json) {
        out.push_back({{"name", std::string(knob.name)},
                       {"value", value},
                       {"default", std::string(knob.fallback)},
                       {"help", std::string(knob.help)}});
      } else {
        std::printf("%-18s %-10s %s\n", std::string(knob.name).c_str(),
                    value.empty() ? "-" : value.c_str(), std::string(knob.help).c_str());
      }
    }
    if (json) print_json({{"knobs", out}});
    return 0;
  }
};

}  // namespace command_knobs

const CommandDef& knobs_command() {
  using namespace command_knobs;
  static const CommandDef def = {
      .name = "knobs",
      .help = "print the tuning knobs, their values and their environment variables' meaning",
      .example = "INGOT_THREADS=2 ingot knobs",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Knobs>()); }};
  return def;
}

}  // namespace ingot
