#include <cstdio>
#include <filesystem>

#include "base/clock.h"
#include "capi/model_loader.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"
#include "loaders/checkpoint.h"
#include "loaders/hub.h"

namespace ingot {
namespace command_convert {

class Convert final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.argument("model", &model_, "Hugging Face directory, .gguf file, checkpoint or hub name");
    flags.flag("output", &output_, "checkpoint directory to write");
    flags.flag("dtype", &dtype_, "element type of the weights; default: as stored");
  }

  int run() override {
    const Stopwatch watch;
    BuildOptions options;
    options.dtype = parse_float_dtype("dtype", dtype_);
    if (!output_.empty()) check_checkpoint_target(output_);  // before a download
    const std::string path = resolve_model(model_);
    if (output_.empty()) {
      output_ = std::filesystem::path(path).lexically_normal().stem().string() + ".checkpoint";
      check_checkpoint_target(output_);
    }
    convert_model(open_buildable(path), options, output_);
    const auto bytes = std::filesystem::file_size(output_ + "/rank0.safetensors");
    if (json) {
      print_json({{"checkpoint", output_}, {"weight_bytes", bytes}, {"convert_ms", watch.ms()}});
    } else {
      note_line(fmt::format("{}: {:.1f} MB of weights in {:.2f} s", output_,
                            static_cast<double>(bytes) * 1e-6, watch.ms() * 1e-3));
    }
    return 0;
  }

 private:
  std::string model_;
  std::string output_;
  std::string dtype_;
};

}  // namespace command_convert

const CommandDef& convert_command() {
  using namespace command_convert;
  static const CommandDef def = {
      .name = "convert",
      .help = "write a model as a checkpoint directory",
      .example = "ingot convert smollm2-135m-instruct --output smollm2.checkpoint",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Convert>()); }};
  return def;
}

}  // namespace ingot
