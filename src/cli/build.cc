#include <cstdio>
#include <filesystem>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/printable.h"
#include "capi/model_loader.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/embedding_flags.h"
#include "cli/contract/generation_flags.h"
#include "cli/contract/profile_flags.h"
#include "cli/contract/step_limits.h"
#include "engine/memory.h"
#include "models/contract/presets.h"

namespace ingot {
namespace command_build {

class Build final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.argument("model", &model_,
                   "checkpoint, Hugging Face directory, .gguf or .onnx file, or hub name", false);
    flags.flag("random-weights", &random_, "in place of a model: a preset's shapes");
    flags.flag("output", &output_, "engine file to write", &has_output_);
    flags.flag("dtype", &dtype_, "element type of weights and activations; default: as stored");
    flags.flag("kv-dtype", &kv_dtype_, "element type of the KV cache; default: the activations'");
    flags.flag("max-batch-size", &batch_, "most sequences in a step", &has_batch_);
    flags.flag("max-num-tokens", &tokens_, "most packed tokens in a step", &has_tokens_);
    flags.flag("max-seq-len", &seq_, "longest sequence", &has_seq_);
    task_.declare(flags);
    shapes_.declare(flags);
    flags.flag("tokenizer-dir", &tokenizer_dir_, "take tokenizer and chat template from here");
    flags.flag("device", &device_, "device to tune for");
    flags.flag("no-tune", &no_tune_, "choose kernels by heuristics");
    flags.flag("print-plan", &print_plan_, "print plan and memory layout as text");
  }

  int run() override {
    const Stopwatch watch;
    model_ = model_or_preset(model_, random_);
    LoadOptions options;
    options.task = task_.task();
    options.build.dtype = parse_float_dtype("dtype", dtype_);
    options.build.kv_dtype = parse_float_dtype("kv-dtype", kv_dtype_);
    options.tune = !no_tune_;
    options.tokenizer_dir = tokenizer_dir_;
    options.profile = shapes_.profile();
    check_range("max-batch-size", batch_, 1, kMostRows);
    check_range("max-num-tokens", tokens_, 1, kMostStepTokens);
    if (has_seq_) check_range("max-seq-len", seq_, 1, kMostSequence);
    set_limit(options, "batch", has_batch_, batch_);
    set_limit(options, "logit_rows", has_batch_, batch_);
    set_limit(options, "tokens", has_tokens_, tokens_);
    set_limit(options, "max_blocks", has_seq_, kv_blocks(seq_));
    set_limit(options, "kv_pages", has_seq_, kv_blocks(seq_));
    if (output_.empty()) {
      const std::string stem = is_random_model(model_)
                                   ? model_.substr(kRandomPrefix.size())
                                   : std::filesystem::path(model_).filename().stem().string();
      output_ = (stem.empty() ? "model" : stem) + ".engine";
    }
    check_output_folder();
    const auto device = open_device_flag(device_);
    const std::string source = resolve_any(model_);
    for (const std::string& path : {source, tokenizer_dir_}) check_output(path);
    TimingCache timings = load_timings();
    const auto engine = build_engine(source, options, device.get(), &timings);
    warn_past_context(seq_, *engine);
    save_engine(*engine, output_);
    save_timings(timings);
    if (print_plan_) {
      const Plan& plan = engine->plan;
      std::fprintf(stderr, "%s", printable(plan_and_memory_text(plan, plan.limits), "\n").c_str());
    }
    report(*engine, watch.ms());
    return 0;
  }

 private:
  // Before a download and an hour of tuning.
  void check_output_folder() const {
    const std::string why = why_not_writable(output_);
    if (!why.empty()) throw UsageError(fmt::format("--output {}: {}", output_, why));
  }

  // Writing the engine must not destroy what it is built from: the source, a file in it, or one
  // beside it (the config.json of a lone .safetensors file).
  void check_output(const std::string& source) const {
    namespace fs = std::filesystem;
    // An engine of an earlier build may lie in the folder and be replaced.
    if (source.empty() || is_random_model(source)) return;
    if (!is_regular_file(output_) || looks_like_container(output_)) return;
    std::error_code error;
    std::vector<fs::path> files = {source};
    const fs::path folder =
        is_directory(source) ? fs::path(source) : fs::path(source).parent_path();
    fs::directory_iterator it(folder.empty() ? "." : folder, error);
    for (; !error && it != fs::directory_iterator(); it.increment(error)) {
      files.push_back(it->path());
    }
    for (const fs::path& file : files) {
      if (!fs::equivalent(file, output_, error) || error) continue;
      // `build x.engine` of a file that is no model is wrong for that, not for its output's name.
      if (!has_output_ && !is_onnx_path(source)) open_buildable(source);
      throw UsageError(
          fmt::format("--output: {} belongs to the model that is to be built", output_));
    }
  }

  static void set_limit(LoadOptions& options, const char* name, bool given, int64_t value) {
    if (given) options.limits[name] = value;
  }

  void report(const Engine& engine, double milliseconds) const {
    const Json details = parse_json(*engine.extra("report"), "cli/build", "report");
    Json out = {{"engine", output_},
                {"bytes", std::filesystem::file_size(output_)},
                {"build_ms", milliseconds},
                {"steps", engine.plan.steps.size()}};
    if (details.contains("tuning")) {
      out["tune_ms"] = details["tuning"]["ms"];
      out["timed"] = details["tuning"]["timed"];
      out["cached"] = details["tuning"]["cached"];
    }
    if (json) {
      print_json(out);
    } else {
      note_line(fmt::format("{}: {:.1f} MB, built in {:.2f} s ({} tactics timed, {} cached)",
                            output_, out["bytes"].get<double>() * 1e-6, milliseconds * 1e-3,
                            out.value("timed", Json(0)).dump(),
                            out.value("cached", Json(0)).dump()));
    }
  }

  std::string model_;
  std::string random_;
  std::string output_;
  std::string dtype_;
  std::string kv_dtype_;
  std::string tokenizer_dir_;
  TaskFlag task_;
  ProfileFlags shapes_;
  std::string device_ = "cpu";
  int64_t batch_ = kDefaultRows;
  int64_t tokens_ = kDefaultStepTokens;
  int64_t seq_ = 0;
  bool has_output_ = false;
  bool has_batch_ = false;
  bool has_tokens_ = false;
  bool has_seq_ = false;
  bool no_tune_ = false;
  bool print_plan_ = false;
};

}  // namespace command_build

const CommandDef& build_command() {
  using namespace command_build;
  static const CommandDef def = {
      .name = "build",
      .help = "compile a language model or an ONNX network into an engine file",
      .example = "ingot build smollm2-135m-instruct --output smollm2.engine",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Build>()); }};
  return def;
}

}  // namespace ingot
