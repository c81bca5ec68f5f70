// Each distinct kernel step of a model's plan against the device's roof.
#include <algorithm>
#include <cstdio>
#include <map>

#include "base/check.h"
#include "base/error.h"
#include "cli/contract/bench_modes.h"
#include "cli/contract/device_measure.h"
#include "cli/contract/step_cost.h"
#include "engine/fusion.h"

namespace ingot {
namespace mode_kernels {

// Tokens of an answer: some steps to take the mean of.
constexpr int64_t kShortestAnswer = 8;
constexpr int64_t kDefaultAnswer = 32;

// One kind of step: an operator on operands of one size.
struct KernelRow {
  std::string op;
  std::string kernel;
  std::string operand;  // its weight, else its result
  double us = 0;        // of all of its steps in one step of the scheduler
  int64_t count = 0;
  OpCost cost;  // of all of them
};

std::string operand_text(const Plan& plan, const PlanStep& step) {
  for (int id : step.inputs) {
    if (id == kNoValue) continue;
    const PlanValue& value = plan.values[static_cast<size_t>(id)];
    if (value.kind == PlanValue::Kind::kWeight && value.type.shape.size() > 1) {
      return type_text(value.type);
    }
  }
  if (step.outputs.empty()) return "";
  return type_text(plan.values[static_cast<size_t>(step.outputs[0])].type);
}

// The step that was timed: of the plan, or one that took steps of the plan over, between which it
// moves nothing.
const PlanStep& timed_step(const Plan& plan, const std::vector<FusedStep>& fused,
                           const StepTiming& timing) {
  for (const FusedStep& one : fused) {
    if (one.covers != timing.steps) continue;
    for (const PlanStep& step : one.steps) {
      if (step.op == timing.op) return step;
    }
  }
  CHECK_EQ(timing.steps.size(), 1u);
  return plan.steps[timing.steps.front()];
}

Json rows_json(const Plan& plan, const std::vector<FusedStep>& fused,
               const std::vector<StepTiming>& timings, int64_t steps, const SymbolValues& symbols,
               const AttentionLoad& load, const DeviceRates& rates) {
  std::map<std::string, KernelRow> rows;
  for (const StepTiming& timing : timings) {
    const PlanStep& step = timed_step(plan, fused, timing);
    const std::string operand = operand_text(plan, step);
    KernelRow& row = rows[timing.op + "\n" + timing.kernel + "\n" + operand];
    row.op = timing.op;
    row.kernel = timing.kernel;
    row.operand = operand;
    row.us += timing.microseconds / static_cast<double>(steps);
    ++row.count;
    const OpCost cost = step_cost(plan, step, symbols, load);
    row.cost.bytes += cost.bytes;
    row.cost.flops += cost.flops;
  }
  Json out = Json::array();
  for (const auto& [key, row] : rows) {
    const double seconds = row.us * 1e-6;
    const double roof =
        std::max(row.cost.bytes / rates.copy_bytes_s, row.cost.flops / rates.gemm_flops_s);
    out.push_back({{"op", row.op},
                   {"kernel", row.kernel},
                   {"operand", row.operand},
                   {"count", row.count},
                   {"us", row.us / static_cast<double>(row.count)},
                   {"total_us", row.us},
                   {"gb_s", row.cost.bytes / seconds * 1e-9},
                   {"tflop_s", row.cost.flops / seconds * 1e-12},
                   {"roof_share", roof / seconds}});
  }
  std::sort(out.begin(), out.end(), [](const Json& a, const Json& b) {
    return a["total_us"].get<double>() > b["total_us"].get<double>();
  });
  return out;
}

Json measure_kernels(const BenchFlags& flags) {
  const std::vector<int64_t> batches = flags.batches();
  const int64_t osl = flags.has_osl ? flags.osl : kDefaultAnswer;
  check_range("osl", osl, kShortestAnswer, kMostSequence);
  BenchSession bench(flags, flags.largest_batch());
  bench.start(flags.isl + osl);
  // Before the model's own steps, so that they find the device as warm as it gets.
  const Plan& plan = bench.session().executor().plan();
  const auto activation = plan.metadata.find("activation_dtype");
  const auto dtype =
      activation == plan.metadata.end() ? std::nullopt : parse_dtype(activation->second);
  const DeviceRates rates = measure_device(*bench.open().device, dtype.value_or(DType::kBFloat16));
  Json out = bench.configuration();
  out["mode"] = "kernels";
  out["isl"] = flags.isl;
  out["osl"] = osl;
  out["measured"] = rates_json(rates);
  const std::vector<FusedStep> fused = find_fused_steps(plan, bench.open().device->kind());
  SymbolValues symbols = bench.session().executor().limits();
  const auto set = [&](int64_t tokens, int64_t rows) {
    symbols["tokens"] = tokens;
    symbols["batch"] = symbols["logit_rows"] = rows;
  };
  const auto isl = static_cast<double>(flags.isl);
  bool prompt = false;
  for (int64_t batch : batches) {
    bench.run(bench.make(batch, flags.isl, 4), 0);
    const StepProfile times = bench.time_steps(batch, flags.isl, osl);
    if (times.decode_steps == 0) {
      fail(ErrorCode::kInvalidArgument, "cli/bench",
           "batch {}: its sequences did not decode together: more --kv-memory or "
           "--max-num-tokens",
           batch);
    }
    if (!prompt) {  // costs hold where the whole prompt is one step
      set(flags.isl, 1);
      const double pairs = isl * (isl + 1) / 2;
      if (times.prefill_steps == 1) {
        out["prefill"] = rows_json(plan, fused, times.prefill, 1, symbols, {isl, pairs}, rates);
      }
      prompt = true;
    }
    set(batch, batch);
    // Contexts grow while the steps are timed: their mean.
    const double positions = static_cast<double>(batch) * (isl + static_cast<double>(osl) / 2);
    out["decode"].push_back({{"batch", batch},
                             {"steps", times.decode_steps},
                             {"kernels", rows_json(plan, fused, times.decode, times.decode_steps,
                                                   symbols, {positions, positions}, rates)}});
  }
  return out;
}

void print_rows(const std::string& title, const Json& rows) {
  double total = 0;
  for (const Json& row : rows) total += row["total_us"].get<double>();
  std::printf("%s: %.3f ms\n  %9s %5s %4s %9s %8s %5s\n", title.c_str(), total * 1e-3, "us", "part",
              "n", "GB/s", "TFLOP/s", "roof");
  for (const Json& row : rows) {
    const auto number = [&](const char* key) { return row[key].get<double>(); };
    std::printf("  %9.1f %4.1f%% %4.0f %9.1f %8.2f %4.0f%%  %s %s %s\n", number("us"),
                100 * number("total_us") / total, number("count"), number("gb_s"),
                number("tflop_s"), 100 * number("roof_share"),
                row["op"].get_ref<const std::string&>().c_str(),
                row["operand"].get_ref<const std::string&>().c_str(),
                row["kernel"].get_ref<const std::string&>().c_str());
  }
}

void print_kernels(const Json& out, const BenchFlags& flags) {
  print_bench_head(out, flags.model);
  const Json& rates = out["measured"];
  std::printf("roof: %.1f GB/s copied, %.2f TFLOP/s in %s\n",
              rates["copy_bytes_s"].get<double>() * 1e-9,
              rates["gemm_flop_s"].get<double>() * 1e-12,
              rates["gemm_dtype"].get_ref<const std::string&>().c_str());
  if (out.contains("prefill")) {
    print_rows(fmt::format("prefill of {} tokens", out["isl"].dump()), out["prefill"]);
  }
  for (const Json& decode : out["decode"]) {
    print_rows(fmt::format("decode step, batch {}", decode["batch"].dump()), decode["kernels"]);
  }
}

}  // namespace mode_kernels

const BenchMode& kernels_mode() {
  using namespace mode_kernels;
  static const BenchMode mode = {"kernels", "each kernel of the model against the device's roof",
                                 measure_kernels, print_kernels,
                                 session_flags({"isl", "osl", "batch"})};
  return mode;
}

}  // namespace ingot
