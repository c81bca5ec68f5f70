#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/json.h"
#include "capi/continuations.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"
#include "cli/contract/onnx_case.h"

namespace ingot {
namespace command_conformance {

class Conformance final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.arguments("dirs", &directories_,
                    "golden cases, ONNX backend cases, and .json files of a real model's answers");
    flags.flag("model", &model_, "of the .json files: their model");
    flags.flag("dtype", &dtype_, "arithmetic: float32, bfloat16, float16");
    flags.flag("arithmetic", &arithmetic_,
               "what really runs, judged as --dtype; default: --dtype, and others should fail");
    flags.flag("reference", &reference_, "run reference kernels only");
    flags.flag("device", &device_, "cpu");
    flags.given(&given_);
  }

  int run() override {
    GoldenOptions options;
    options.reference = reference_;
    options.dtype = parse_float_dtype("dtype", dtype_);
    options.arithmetic = parse_float_dtype("arithmetic", arithmetic_);
    for (const std::string& directory : directories_) {
      std::error_code error;
      if (std::filesystem::exists(directory, error)) continue;
      fail(error ? ErrorCode::kIo : ErrorCode::kNotFound, "cli/conformance", "{}: {}", directory,
           error ? error.message() : "no such file or directory");
    }
    if (std::ranges::find(given_, "model") != given_.end() &&
        std::ranges::none_of(directories_, is_continuations_file)) {
      throw UsageError("--model: expected .json files of a model's answers, found none");
    }
    const auto device = open_device_flag(device_);
    bool all = true;
    for (const std::string& directory : directories_) {
      if (is_onnx_case(directory)) {
        const OnnxCaseResult onnx = run_onnx_case(directory, reference_, *device);
        all &= onnx.status == "pass";
        print({.name = onnx.name,
               .status = onnx.status,
               .reason = onnx.reason,
               .measured = onnx.measured,
               .max_error = onnx.max_error,
               .rms_error = onnx.rms_error,
               .kernels = onnx.kernels});
        continue;
      }
      if (is_continuations_file(directory)) {
        if (model_.empty()) throw UsageError(directory + ": its model is missing (--model)");
        for (const GoldenResult& r : run_continuations(directory, model_, options, *device)) {
          all &= r.status == "pass";
          print(r);
        }
        continue;
      }
      if (!is_golden_case(directory)) {
        all = false;
        print({.name = directory,
               .status = "fail",
               .reason = "neither a golden case (golden.json), an ONNX case (model.onnx) nor a "
                         ".json file of answers"});
        continue;
      }
      const GoldenResult result = run_golden(directory, options, *device);
      all &= result.status == "pass";
      print(result);
    }
    return all ? 0 : 1;
  }

 private:
  void print(const GoldenResult& r) const {
    if (json) {
      const Json line = {{"case", r.name},
                         {"status", r.status},
                         {"reason", r.reason},
                         {"max_error", r.measured ? Json(r.max_error) : Json()},
                         {"rms_error", r.measured ? Json(r.rms_error) : Json()},
                         {"greedy_match", r.greedy_match},
                         {"greedy_total", r.greedy_total},
                         {"kernels", r.kernels}};
      return print_json(line);
    }
    const auto error = [&](double value) {
      return r.measured ? fmt::format("{:.2e}", value) : std::string("-");
    };
    print_line(fmt::format("{:<12} {:<20} max {} rms {} greedy {}/{} {}", r.status, r.name,
                           error(r.max_error), error(r.rms_error), r.greedy_match, r.greedy_total,
                           r.reason));
  }

  std::vector<std::string> directories_, given_;
  std::string model_;
  std::string dtype_ = "float32";
  std::string arithmetic_;
  std::string device_ = "cpu";
  bool reference_ = false;
};

}  // namespace command_conformance

const CommandDef& conformance_command() {
  using namespace command_conformance;
  static const CommandDef def = {
      .name = "conformance",
      .help = "check models against reference outputs",
      .example = "ingot conformance tests/data/goldens/llama-mha --dtype bfloat16",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Conformance>()); }};
  return def;
}

}  // namespace ingot
