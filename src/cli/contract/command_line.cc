// The one file that knows CLI11.
#include <CLI/CLI.hpp>
#include <cctype>
#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "base/knobs.h"
#include "base/log.h"
#include "base/progress.h"
#include "capi/plugin.h"
#include "cli/contract/command.h"

namespace ingot {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

std::string twin(const std::string& flag) {
  std::string out = "INGOT_";
  for (char c : flag) {
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

class CliFlags final : public Flags {
 public:
  explicit CliFlags(CLI::App& app) : app_(app) {}

  void argument(std::string name, std::string* value, std::string help, bool required) override {
    CLI::Option* option = app_.add_option(name, *value, help);
    if (required) option->required();
  }
  void arguments(std::string name, std::vector<std::string>* values, std::string help) override {
    app_.add_option(name, *values, help)->required();
  }
  void flag(std::string name, std::string* value, std::string help, bool* given) override {
    add(name, *value, help, given);
  }
  void flag(std::string name, int64_t* value, std::string help, bool* given) override {
    add(name, *value, help, given);
  }
  void flag(std::string name, double* value, std::string help, bool* given) override {
    add(name, *value, help, given);
  }
  void flag(std::string name, bool* value, std::string help) override {
    app_.add_flag("--" + name, *value, help)->envname(twin(name));
  }
  void flag(std::string name, std::vector<std::string>* values, std::string help) override {
    // One value each time, or the flag would swallow the arguments behind it.
    app_.add_option("--" + name, *values, help)->envname(twin(name))->allow_extra_args(false);
  }
  // Fills the `given` marks once parsing is over.
  void finish() {
    for (auto& [option, given] : given_) *given = option->count() > 0;
  }

 private:
  template <typename T>
  void add(const std::string& name, T& value, const std::string& help, bool* given) {
    CLI::Option* option = app_.add_option("--" + name, value, help)->envname(twin(name));
    option->capture_default_str();
    if (given) given_.emplace_back(option, given);
  }
  CLI::App& app_;
  std::vector<std::pair<CLI::Option*, bool*>> given_;
};

struct Parsed {
  const CommandDef* def = nullptr;
  CLI::App* app = nullptr;
  std::unique_ptr<Command> command;
  std::unique_ptr<CliFlags> flags;
};

struct GlobalFlags {
  std::string progress = "bar";
  int64_t threads = 0;
  std::vector<std::string> plugins;
};

Parsed declare(CLI::App& app, const CommandDef& def, GlobalFlags& global) {
  Parsed parsed;
  parsed.def = &def;
  parsed.app = app.add_subcommand(std::string(def.name), std::string(def.help));
  parsed.app->footer("Example:\n  " + std::string(def.example));
  parsed.command = def.make();
  parsed.flags = std::make_unique<CliFlags>(*parsed.app);
  parsed.command->declare(*parsed.flags);
  parsed.app->add_flag("--json", parsed.command->json, "print the result as JSON")
      ->envname("INGOT_JSON");
  parsed.app->add_option("--progress", global.progress, "bar, json or none")
      ->envname("INGOT_PROGRESS")
      ->check(CLI::IsMember({"bar", "json", "none"}));
  parsed.app->add_option("--threads", global.threads, "compute threads; 0 = all CPUs")
      ->envname("INGOT_THREADS");
  parsed.app->add_option("--plugin", global.plugins, "library with ops and kernels; its code runs")
      ->envname("INGOT_PLUGIN")
      ->allow_extra_args(false);
  return parsed;
}

void apply(const GlobalFlags& global) {
  set_progress_style(global.progress == "json"   ? ProgressStyle::kJson
                     : global.progress == "none" ? ProgressStyle::kNone
                                                 : ProgressStyle::kBar);
  if (global.threads > 0) set_knob("threads", std::to_string(global.threads));
  for (const std::string& path : global.plugins) load_plugin(path);
}

// Errors are one line, whatever the message quotes from a file.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

int run_guarded(Command& command) {
  try {
    return command.run();
  } catch (const UsageError& error) {
    std::fprintf(stderr, "error: %s\n", one_line(error.what()).c_str());
    return kWrongUsage;
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", one_line(error.what()).c_str());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "error: out of memory\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: [internal] %s\n", one_line(error.what()).c_str());
  }
  return kFailed;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app("Ingot compiles a trained model once and runs it at the limit of the hardware.",
               "ingot");
  app.require_subcommand(1);
  app.set_version_flag("--version", INGOT_VERSION);
  GlobalFlags global;
  std::vector<Parsed> all;
  for (const CommandDef* def : cli_command_list()) all.push_back(declare(app, *def, global));
  try {
    app.parse(argc, argv);
    init_log();
    for (Parsed& parsed : all) {
      if (!parsed.app->parsed()) continue;
      parsed.flags->finish();
      apply(global);
      return run_guarded(*parsed.command);
    }
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kDone : kWrongUsage;
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", one_line(error.what()).c_str());
    return kFailed;
  }
  return kWrongUsage;
}

}  // namespace ingot
