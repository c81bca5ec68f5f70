// Runs a network, from its engine or .onnx file: given inputs in, outputs to files, times of every
// iteration.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <set>

#include "base/checked.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/knobs.h"
#include "base/printable.h"
#include "base/random.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"
#include "cli/contract/network_session.h"
#include "engine/memory.h"
#include "loaders/onnx.h"

namespace ingot {
namespace command_exec {

constexpr std::string_view kWhere = "cli/exec";
constexpr uint64_t kSeed = 1;
constexpr int64_t kMaxRandomElements = int64_t{1} << 40;

// What the model takes; `shape` is for tensors that are not given.
struct Wanted {
  std::string name;
  ValueType type;
  Shape shape;
};

// Inputs that are not given: standard normal floats, zero integers.
HostTensor random_input(const Wanted& wanted, uint64_t seed) {
  const ValueType& type = wanted.type;
  const std::string what = fmt::format("input '{}' {}", wanted.name, type_text(type));
  // Any real memory is smaller.
  if (checked_elements(wanted.shape, what) > kMaxRandomElements) {
    fail(ErrorCode::kOutOfMemory, kWhere, "{}: expected at most {} elements, found {}", what,
         kMaxRandomElements, checked_elements(wanted.shape, what));
  }
  HostTensor out(type.element, wanted.shape);
  const TensorView view = out.view();
  for (int64_t i = 0; is_float(type.element.dtype) && i < view.elements(); ++i) {
    store_element(view, i, random_normal(seed, static_cast<uint64_t>(i)));
  }
  return out;
}

// A file for each output: letters, digits and "_-." as they are, the rest as '_', and a number
// where two names become one.
std::vector<std::string> file_names(const std::vector<std::string>& outputs) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const std::string& output : outputs) {
    std::string base = output;
    for (char& c : base) {
      const bool keep =
          std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
      if (!keep) c = '_';
    }
    if (base.empty() || base[0] == '.') base = "_" + base;
    std::string name = base;
    for (int n = 1; !taken.insert(name).second; ++n) name = fmt::format("{}.{}", base, n);
    names.push_back(name + ".npy");
  }
  return names;
}

class ExecCommand final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.argument("MODEL", &model_, "a network's engine, or the .onnx file");
    flags.flag("load-inputs", &inputs_,
               "NAME:FILE with a .npy, .pb or .bin file, once for each input; others are random");
    flags.flag("dump-outputs", &folder_, "folder to write every output to, as .npy");
    flags.flag("iterations", &iterations_, "timed runs");
    flags.flag("profile", &profile_, "time of every step");
    flags.flag("device", &device_, "where it runs: cpu or cuda[:n]");
    flags.flag("reference", &reference_, "reference kernels only");
    flags.flag("print-plan", &print_plan_, "print plan and memory layout as text");
    flags.flag("tune-seconds", &tune_seconds_, "time to spend on choosing kernels of an .onnx file",
               &has_tune_seconds_);
  }

  int run() override {
    check_range("iterations", iterations_, 1, 1 << 30);
    const Knob& tuning = find_knob("tune_seconds");
    check_range("tune-seconds", tune_seconds_, 0, static_cast<double>(tuning.most));
    take_files();
    check_model();
    const auto device = open_device_flag(device_);
    const NetworkSessionOptions options{reference_, profile_, tune_seconds_};
    const Stopwatch load;
    std::shared_ptr<const Engine> engine;
    NamedTensors inputs;
    if (is_regular_file(model_) && looks_like_container(model_)) {
      if (has_tune_seconds_) throw UsageError("--tune-seconds goes with an .onnx file");
      engine = load_engine(model_);
      load_ms_ = load.ms();
      inputs = read_inputs(wanted_by(*engine));
    } else {
      inputs = read_inputs(wanted_by(read_onnx_signature(model_)));
      load_ms_ = load.ms();
      const Stopwatch build;
      engine = build_for_inputs(model_, inputs, *device, options);
      build_ms_ = build.ms();
    }
    NetworkSession session(engine, model_, *device, options);
    session.set_inputs(inputs);
    if (print_plan_) {
      const Executor& executor = session.executor();
      const std::string text = plan_and_memory_text(executor.plan(), executor.limits());
      fmt::print(stderr, "{}", printable(text, "\n"));
    }
    std::vector<double> times;
    for (int64_t i = 0; i < iterations_; ++i) {
      const Stopwatch watch;
      session.run();
      times.push_back(watch.ms());
    }
    report(session, times);
    return 0;
  }

 private:
  // Before any work.
  void take_files() {
    for (const std::string& entry : inputs_) {
      const size_t colon = entry.rfind(':');
      if (colon == std::string::npos || colon == 0 || colon + 1 == entry.size()) {
        throw UsageError(fmt::format("--load-inputs: expected NAME:FILE, found '{}'", entry));
      }
      const std::string file = entry.substr(colon + 1);
      const auto [at, first] = files_.emplace(entry.substr(0, colon), file);
      if (first) continue;
      throw UsageError(fmt::format("--load-inputs: input '{}' is given twice, as '{}' and '{}'",
                                   at->first, at->second, file));
    }
  }

  // A folder is what other commands take.
  void check_model() const {
    if (!is_directory(model_)) return;
    bool language = false;
    std::error_code error;
    std::filesystem::directory_iterator it(model_, error);
    for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
      language |= it->path().filename() == "config.json" || it->path().extension() == ".gguf";
    }
    fail(ErrorCode::kUnsupported, kWhere, "{}: expected a network's engine or .onnx file, found {}",
         model_,
         language ? "a language model's folder ('ingot run' answers with it)" : "a directory");
  }

  std::vector<Wanted> wanted_by(const Engine& engine) const {
    std::vector<Wanted> out;
    for (const NetworkInput& input : network_signature(engine, model_).inputs) {
      out.push_back({input.name, input.type, input.range.opt});
    }
    return out;
  }

  // 1 for sizes that the file leaves open.
  static std::vector<Wanted> wanted_by(const OnnxSignature& signature) {
    std::vector<Wanted> out;
    for (const auto& [name, type] : signature.inputs) {
      Shape shape;
      for (const Dim& dim : type.shape) shape.push_back(dim.is_constant() ? dim.constant() : 1);
      out.push_back({name, type, shape});
    }
    return out;
  }

  static HostTensor read_input(const std::string& name, const std::string& file,
                               const ValueType& type) {
    try {
      return read_tensor_file(file, type);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("--load-inputs: input '{}': {}", name, error.what()));
    }
  }

  NamedTensors read_inputs(const std::vector<Wanted>& wanted) const {
    std::map<std::string, std::string> files = files_;
    NamedTensors out;
    std::vector<std::string> random;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const std::string& name = wanted[i].name;
      if (auto it = files.find(name); it != files.end()) {
        out[name] = read_input(name, it->second, wanted[i].type);
        files.erase(it);
      } else {
        random.push_back(name);
        out[name] = random_input(wanted[i], kSeed + i);
      }
    }
    for (const auto& [name, file] : files) {
      fail(ErrorCode::kInvalidArgument, kWhere, "--load-inputs: the model has no input '{}'", name);
    }
    for (const std::string& name : random) note_line(fmt::format("input '{}' is random", name));
    return out;
  }

  void report(NetworkSession& session, std::vector<double>& times) {
    std::sort(times.begin(), times.end());
    const double mean =
        std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
    Json json;
    json["model"] = model_;
    if (!folder_.empty() && !is_directory(folder_) && ::mkdir(folder_.c_str(), 0777) != 0) {
      fail(ErrorCode::kIo, kWhere, "{}: making the folder: {}", folder_, std::strerror(errno));
    }
    const std::vector<std::string>& names = session.signature().outputs;
    const std::vector<std::string> files = file_names(names);
    for (size_t i = 0; i < names.size(); ++i) {
      std::vector<std::byte> memory;  // of a copy, where the device's own cannot be read here
      const TensorView view = session.executor().fetch(session.output(i), memory);
      Json entry = {{"name", names[i]}, {"type", view.type.name()}, {"shape", view.shape}};
      if (!folder_.empty()) {
        const std::string path = folder_ + "/" + files[i];
        write_npy(path, view);
        entry["file"] = path;
      }
      json["outputs"].push_back(entry);
    }
    json["kernels"] = session.executor().kernels_used();
    json["timings"] = {{"load_ms", load_ms_},
                       {"build_ms", build_ms_},
                       {"iterations", times.size()},
                       {"min_ms", times.front()},
                       {"median_ms", times[times.size() / 2]},
                       {"mean_ms", mean},
                       {"max_ms", times.back()}};
    if (profile_) {
      for (const StepTiming& step : session.executor().profile()) {
        json["profile"].push_back({{"op", step.op},
                                   {"kernel", step.kernel},
                                   {"origin", step.origin},
                                   {"microseconds", step.microseconds}});
      }
    }
    if (this->json) {
      print_json(json);
    } else {
      print(json);
    }
  }

  static void print(const Json& json) {
    for (const Json& entry : json["outputs"]) {
      print_line(
          fmt::format("{} {}{}{}", entry["name"].get<std::string>(),
                      entry["type"].get<std::string>(), shape_text(entry["shape"].get<Shape>()),
                      entry.contains("file") ? " -> " + entry["file"].get<std::string>() : ""));
    }
    const Json& t = json["timings"];
    fmt::print(
        stderr, "load {:.1f} ms, build {:.1f} ms, {} runs: median {:.3f} ms, min {:.3f} ms\n",
        t["load_ms"].get<double>(), t["build_ms"].get<double>(), t["iterations"].get<int64_t>(),
        t["median_ms"].get<double>(), t["min_ms"].get<double>());
    if (!json.contains("profile")) return;
    for (const Json& step : json["profile"]) {
      print_line(fmt::format("{:>12.1f} us  {:<20} {:<24} {}", step["microseconds"].get<double>(),
                             step["op"].get<std::string>(), step["kernel"].get<std::string>(),
                             step["origin"].get<std::string>()));
    }
  }

  std::string model_, folder_;
  std::string device_ = "cpu";
  std::vector<std::string> inputs_;           // as given
  std::map<std::string, std::string> files_;  // of each name
  int64_t iterations_ = 1;
  double tune_seconds_ = 0, load_ms_ = 0, build_ms_ = 0;
  bool has_tune_seconds_ = false;
  bool profile_ = false, reference_ = false, print_plan_ = false;
};

}  // namespace command_exec

const CommandDef& exec_command() {
  using namespace command_exec;
  static const CommandDef def = {
      .name = "exec",
      .help = "run a network: an ONNX model or its engine",
      .example = "ingot exec model.onnx --load-inputs x:x.npy --dump-outputs out --iterations 10",
      .make = []() -> std::unique_ptr<Command> { return std::make_unique<ExecCommand>(); }};
  return def;
}

}  // namespace ingot
