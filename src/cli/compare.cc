#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/random.h"
#include "capi/model_loader.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"
#include "cli/contract/profile_flags.h"
#include "runtime/decoder_session.h"
#include "runtime/decoder_step.h"
#include "runtime/text_session.h"

namespace ingot {
namespace command_compare {

constexpr std::string_view kWhere = "cli/compare";

using StepValues = std::vector<std::vector<float>>;  // of one step, by output

bool holds_floats(const TensorView& view) {
  return !view.type.is_block() && ingot::is_float(view.type.dtype);
}

std::vector<float> values_of(const TensorView& view) {
  std::vector<float> out;
  if (!view.present() || !holds_floats(view)) return out;
  const auto columns = static_cast<size_t>(view.columns());
  out.resize(static_cast<size_t>(view.rows()) * columns);
  for (int64_t r = 0; r < view.rows(); ++r) {
    load_row(view, r, 0, view.columns(), out.data() + static_cast<size_t>(r) * columns);
  }
  return out;
}

// Errors are divided by the standard deviation of the reference's tensor; the largest one by the
// element itself where that is larger, since a rounding is as large as its number.
struct StepError {
  size_t step = 0;
  std::string op, origin, kernel, reference;
  double max = 0;
  double rms = 0;
};

// Error of `found` against `expected`. NaN and different sizes count as infinite.
void add_error(const std::vector<float>& found, const std::vector<float>& expected,
               StepError& out) {
  double sum = 0, squares = 0;
  for (float value : expected) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const auto count = static_cast<double>(std::max<size_t>(1, expected.size()));
  const double deviation = std::sqrt(std::max(0.0, squares / count - sum / count * sum / count));
  const double scale = deviation > 0 ? deviation : 1.0;
  double errors = 0, worst = 0;
  if (found.size() != expected.size()) worst = errors = INFINITY;
  for (size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
    const double wanted = expected[i];
    const double error = std::fabs(found[i] - wanted);
    const double relative = error / std::max(scale, std::fabs(wanted));
    worst = relative >= worst || std::isnan(relative) ? relative : worst;
    errors += error * error;
  }
  if (!(worst <= out.max)) out.max = worst;
  if (!(std::sqrt(errors / count) / scale <= out.rms)) out.rms = std::sqrt(errors / count) / scale;
}

// Makes `view` hold what the reference computed, so that the next step's error is its own.
void put_values(const std::vector<float>& values, const TensorView& view) {
  if (static_cast<int64_t>(values.size()) != view.elements()) return;
  for (int64_t r = 0; r < view.rows(); ++r) {
    store_row(view, r, 0, view.columns(), values.data() + r * view.columns());
  }
}

class Compare final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.argument("model", &model_, "engine, .onnx file or any other model source");
    flags.flag("dtype", &dtype_, "element type of weights and activations; default: as stored");
    flags.flag("device", &device_, "device of both sides, one whose memory the host reads");
    flags.flag("prompt-ids", &prompt_ids_, "inputs of a text model; default: seeded ids");
    shapes_.declare(flags);
    flags.flag("tokens", &tokens_, "how many seeded ids");
    flags.flag("seed", &seed_, "of the inputs");
    flags.flag("tolerance", &tolerance_,
               "largest error that passes, of the deviation or element; 0 = by arithmetic");
    flags.flag("all", &all_, "print every step, not the 20 worst");
  }

  int run() override {
    check_range("tokens", tokens_, 1, kMostSequence);
    check_seed(seed_);
    check_range("tolerance", tolerance_, 0.0, 1e30);
    LoadOptions load;
    load.build.dtype = parse_float_dtype("dtype", dtype_);
    load.profile = shapes_.profile();
    device_object_ = open_device_flag(device_);
    // Each step's results are read here and replaced by the reference's.
    if (!device_object_->host_visible()) {
      fail(ErrorCode::kUnsupported, kWhere, "--device {}: expected one whose memory the host reads",
           device_);
    }
    const LoadedModel loaded = load_model(model_, load, *device_object_);
    const Plan& plan = loaded.engine->plan;
    if (is_decoder_plan(plan)) check_length(engine_context(*loaded.engine));
    if (tolerance_ == 0) tolerance_ = default_tolerance(plan);
    std::vector<StepValues> reference(plan.steps.size());
    std::vector<std::string> reference_kernels(plan.steps.size());
    run_side(loaded.engine, true, [&](const StepSeen& seen) {
      reference_kernels[seen.index] = seen.kernel;
      for (const TensorView& view : seen.outputs) {
        reference[seen.index].push_back(values_of(view));
      }
    });
    std::vector<StepError> errors;
    run_side(loaded.engine, false, [&](const StepSeen& seen) {
      const PlanStep& step = plan.steps[seen.index];
      StepError error;
      error.step = seen.index;
      error.op = step.op;
      error.origin = step.origin;
      error.kernel = seen.kernel;
      error.reference = reference_kernels[seen.index];
      bool compared = false;
      for (size_t i = 0; i < seen.outputs.size(); ++i) {
        const auto found = values_of(seen.outputs[i]);
        if (found.empty()) continue;
        // States are whole caches: what their steps wrote shows in what reads them.
        if (is_state(plan, step.outputs[i])) continue;
        add_error(found, reference[seen.index].at(i), error);
        put_values(reference[seen.index].at(i), seen.outputs[i]);
        compared = true;
      }
      if (compared) errors.push_back(std::move(error));
    });
    if (errors.empty()) fail(ErrorCode::kUnsupported, kWhere, "{}: no step has floats", model_);
    return report(errors);
  }

 private:
  void check_length(int64_t context) const {
    const bool seeded = prompt_ids_.empty();
    const auto count = seeded ? tokens_ : static_cast<int64_t>(parse_ids(prompt_ids_).size());
    if (count <= context) return;
    fail(ErrorCode::kInvalidArgument, kWhere, "{}: {} tokens, the model's context holds {}",
         seeded ? "--tokens" : "--prompt-ids", count, context);
  }

  static bool is_state(const Plan& plan, int value) {
    return value != kNoValue &&
           plan.values[static_cast<size_t>(plan.root(value))].kind == PlanValue::Kind::kState;
  }

  // Both sides round one float32 sum of their own order, so 16-bit results are equal or neighbours:
  // 2^-7 of the element apart in bfloat16, 2^-10 in float16. Twice that passes. In float32 the
  // order alone differs: 1.2e-5 at most over the golden models and SmolLM2; eight times that
  // passes.
  static double default_tolerance(const Plan& plan) {
    const auto type = plan.metadata.find("activation_dtype");
    if (type == plan.metadata.end()) return 1e-4;
    return type->second == "bfloat16" ? 0x1p-6 : type->second == "float16" ? 0x1p-9 : 1e-4;
  }

  void run_side(const std::shared_ptr<const Engine>& engine, bool reference,
                const std::function<void(const StepSeen&)>& observe) {
    ExecutorOptions options;
    options.selection.reference = reference;
    options.on_step = observe;
    const Plan& plan = engine->plan;
    if (is_decoder_plan(plan)) {
      const std::vector<int32_t> ids = prompt(plan);
      const auto count = static_cast<int64_t>(ids.size());
      DecoderSession session(engine, *device_object_, count, count, options);
      session.forward(ids, true);
      return;
    }
    Executor executor(engine, *device_object_, options);
    for (int id : plan.inputs) {
      set_seeded(executor, plan.values[static_cast<size_t>(id)], static_cast<uint64_t>(id));
    }
    executor.run();
  }

  std::vector<int32_t> prompt(const Plan& plan) const {
    if (!prompt_ids_.empty()) return parse_ids(prompt_ids_);
    const auto vocab = static_cast<uint64_t>(read_decoder_plan(plan).vocab_size);
    std::vector<int32_t> out;
    for (int64_t i = 0; i < tokens_; ++i) {
      out.push_back(static_cast<int32_t>(
          random_below(static_cast<uint64_t>(seed_), static_cast<uint64_t>(i), vocab)));
    }
    return out;
  }

  // Standard normal floats, zeros elsewhere, at the plan's limits.
  void set_seeded(Executor& executor, const PlanValue& input, uint64_t stream) const {
    const Shape shape = evaluate(input.type.shape, executor.limits());
    std::vector<std::byte> bytes(
        static_cast<size_t>(input.type.element.bytes(element_count(shape))));
    TensorView view{input.type.element, shape, bytes.data()};
    if (holds_floats(view)) {
      const uint64_t seed = random_u64(static_cast<uint64_t>(seed_), stream);
      for (int64_t i = 0; i < view.elements(); ++i) {
        store_element(view, i, random_normal(seed, static_cast<uint64_t>(i)));
      }
    }
    executor.set_input(input.name, view);
  }

  int report(std::vector<StepError>& errors) const {
    double worst = 0;
    for (const StepError& e : errors) {
      if (!(e.max <= worst)) worst = e.max;
    }
    const bool pass = worst <= tolerance_;
    if (json) {
      Json steps = Json::array();
      for (const StepError& e : errors) {
        steps.push_back({{"step", e.step},
                         {"op", e.op},
                         {"origin", e.origin},
                         {"kernel", e.kernel},
                         {"reference_kernel", e.reference},
                         {"max_error", e.max},
                         {"rms_error", e.rms}});
      }
      print_json({{"model", model_},
                  {"status", pass ? "pass" : "fail"},
                  {"tolerance", tolerance_},
                  {"max_error", worst},
                  {"last_step_error", errors.back().max},
                  {"steps", steps}});
      return pass ? 0 : 1;
    }
    std::stable_sort(errors.begin(), errors.end(), [&](const StepError& a, const StepError& b) {
      return !all_ && a.max > b.max;
    });
    if (!all_ && errors.size() > 20) errors.resize(20);
    std::printf("%5s %-20s %-24s %9s %9s  %s\n", "step", "op", "kernel", "max", "rms", "origin");
    for (const StepError& e : errors) {
      print_line(fmt::format("{:5} {:<20} {:<24} {:9.2e} {:9.2e}  {}", e.step, e.op, e.kernel,
                             e.max, e.rms, e.origin));
    }
    std::printf("%s: largest error %.2e of the deviation or element, tolerance %.2e\n",
                pass ? "pass" : "FAIL", worst, tolerance_);
    return pass ? 0 : 1;
  }

  std::string model_;
  std::string dtype_;
  std::string device_ = "cpu";
  std::string prompt_ids_;
  ProfileFlags shapes_;
  int64_t tokens_ = 32;
  int64_t seed_ = 0;
  double tolerance_ = 0;
  bool all_ = false;
  std::unique_ptr<Device> device_object_;
};

}  // namespace command_compare

const CommandDef& compare_command() {
  using namespace command_compare;
  static const CommandDef def = {
      .name = "compare",
      .help = "run fast and reference kernels on the same inputs, step by step",
      .example = "ingot compare smollm2-135m-instruct --tokens 32",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Compare>()); }};
  return def;
}

}  // namespace ingot
