#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "cli/contract/generation_flags.h"
#include "cli/contract/step_limits.h"
#include "runtime/session_memory.h"

namespace ingot {
namespace command_plan {

constexpr int64_t kShortest = 1024;  // first context of the table; each row has four times as many

double gib(int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

class PlanCommand final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.argument("model", &model_.model,
                   "engine, checkpoint, Hugging Face directory, .gguf or hub name", false);
    flags.flag("random-weights", &preset_, "in place of a model: a preset's shapes");
    model_.declare_options(flags);
    flags.flag("max-batch-size", &rows_,
               fmt::format("sequences in a step; 0 = {}, on a GPU {}", kDefaultRows, kGpuRows));
    flags.flag("max-num-tokens", &tokens_,
               fmt::format("packed tokens in a step; 0 = {}, on a GPU {}", kDefaultStepTokens,
                           kGpuStepTokens));
  }

  int run() override {
    model_.model = model_or_preset(model_.model, preset_);
    check_range("max-batch-size", rows_, 0, kMostRows);
    check_range("max-num-tokens", tokens_, 0, kMostStepTokens);
    model_.tune = false;  // kernels take no memory that counts
    const OpenModel open = model_.open();
    const Engine& engine = *open.loaded.engine;
    const bool apart = !open.device->host_visible();
    SessionOptions options;
    options.sequences = rows_ > 0 ? rows_ : default_rows(apart);
    options.step_tokens = tokens_ > 0 ? tokens_ : apart ? kGpuStepTokens : kDefaultStepTokens;
    options.context = model_.max_seq_len;
    options.kv_pages = 1;
    const SessionMemory memory = session_memory(engine, options, *open.device);
    const bool fits = memory.room_for_kv() >= memory.kv_token * kKvBlockTokens;
    print(report(memory, fits), memory);
    if (fits || memory.free == 0) return 0;
    note_line(fmt::format(
        "{} does not fit {}: {:.2f} GiB are needed before any KV cache, {:.2f} "
        "are free",
        model_.model, model_.device, gib(memory.needed() - memory.kv), gib(memory.free)));
    return 1;
  }

 private:
  Json report(const SessionMemory& memory, bool fits) const {
    const DeviceInfo info = describe_device(model_.device);
    Json out = {{"model", model_.model},
                {"device", model_.device},
                {"device_model", info.model},
                {"device_bytes", info.memory_bytes},
                {"free_bytes", memory.free},
                {"max_batch_size", memory.rows},
                {"max_num_tokens", memory.step_tokens},
                {"max_seq_len", memory.context},
                {"weight_bytes", memory.weights},
                {"weight_bytes_to_load", memory.weights_new},
                {"kv_bytes_per_token", memory.kv_token},
                {"activation_bytes", memory.activations},
                {"graph_bytes", memory.graphs},
                {"kv_room_bytes", memory.room_for_kv()},
                {"kv_room_tokens", memory.room_for_kv() / memory.kv_token},
                {"fits", fits},
                {"table", Json::array()}};
    const int64_t pages = memory.room_for_kv() / (memory.kv_token * kKvBlockTokens);
    for (int64_t context = std::min(kShortest, memory.context);; context *= 4) {
      context = std::min(context, memory.context);
      out["table"].push_back({{"context", context}, {"sequences", pages / kv_blocks(context)}});
      if (context == memory.context) return out;
    }
  }

  void print(const Json& out, const SessionMemory& memory) const {
    if (json) {
      print_json(out);
      return;
    }
    print_line(fmt::format("{} on {} ({})", model_.model, model_.device,
                           out["device_model"].get_ref<const std::string&>()));
    std::printf("weights      %9.2f GiB%s\n", gib(memory.weights),
                memory.weights_new == 0 ? ", read where the file is mapped" : "");
    std::printf("activations  %9.2f GiB for steps of %ld tokens, %ld sequences\n",
                gib(memory.activations), static_cast<long>(memory.step_tokens),
                static_cast<long>(memory.rows));
    std::printf("graphs       %9.2f GiB, estimated\n", gib(memory.graphs));
    std::printf("free         %9.2f GiB of %.2f\n", gib(memory.free),
                gib(out["device_bytes"].get<int64_t>()));
    std::printf("KV cache     %9.2f GiB at most: %ld tokens of %ld bytes\n",
                gib(memory.room_for_kv()), static_cast<long>(out["kv_room_tokens"].get<int64_t>()),
                static_cast<long>(memory.kv_token));
    std::printf("   context  sequences that fit\n");
    for (const Json& row : out["table"]) {
      std::printf("%10ld  %ld\n", static_cast<long>(row["context"].get<int64_t>()),
                  static_cast<long>(row["sequences"].get<int64_t>()));
    }
  }

  ModelFlags model_;
  std::string preset_;
  int64_t rows_ = 0;
  int64_t tokens_ = 0;
};

}  // namespace command_plan

const CommandDef& plan_command() {
  using namespace command_plan;
  static const CommandDef def = {
      .name = "plan",
      .help = "print what memory a model takes and how many sequences fit",
      .example = "ingot plan --random-weights llama-3.1-8b --max-batch-size 64",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<PlanCommand>()); }};
  return def;
}

}  // namespace ingot
