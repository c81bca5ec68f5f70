// The one file that knows CLI11.
#include <fcntl.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/json.h"
#include "base/knobs.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/temporary.h"
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
    option->take_last();  // a flag given again replaces the first, as scripts with defaults expect
    if (given) given_.emplace_back(option, given);
  }
  CLI::App& app_;
  std::vector<std::pair<CLI::Option*, bool*>> given_;
};

// Flags of every subcommand. Each has its own set: into a common one, the subcommands that were not
// called would write what the environment says, over what the flag of the called one says.
struct GlobalFlags {
  std::string progress = "bar";
  std::string threads;  // as given; checked by the knob of that name
  std::vector<std::string> plugins;
};

struct Parsed {
  const CommandDef* def = nullptr;
  CLI::App* app = nullptr;
  std::unique_ptr<Command> command;
  std::unique_ptr<CliFlags> flags;
  std::unique_ptr<GlobalFlags> global = std::make_unique<GlobalFlags>();
};

Parsed declare(CLI::App& app, const CommandDef& def) {
  Parsed parsed;
  GlobalFlags& global = *parsed.global;
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
      ->check(CLI::IsMember({"bar", "json", "none"}))
      ->take_last();
  parsed.app->add_option("--threads", global.threads, "compute threads; 0 = all CPUs")
      ->envname("INGOT_THREADS")
      ->take_last();
  parsed.app->add_option("--plugin", global.plugins, "library with ops and kernels; its code runs")
      ->envname("INGOT_PLUGIN")
      ->allow_extra_args(false);
  return parsed;
}

void apply(const GlobalFlags& global) {
  // Before any work: a wrong knob is found late where it is read, or never.
  try {
    check_knobs();
    if (!global.threads.empty()) check_knob(find_knob("threads"), "--threads", global.threads);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  init_log();
  set_progress_style(global.progress == "json"   ? ProgressStyle::kJson
                     : global.progress == "none" ? ProgressStyle::kNone
                                                 : ProgressStyle::kBar);
  if (!global.threads.empty()) set_knob("threads", global.threads);
  for (const std::string& path : global.plugins) load_plugin(path);
}

// Errors are one line, whatever the message quotes from a file. Allocates nothing: memory may be
// what ran out.
void print_error(const char* kind, const char* what) {
  char line[1024];
  std::fprintf(stderr, "error: %s", kind);
  while (*what) {
    size_t count = 0;
    for (; *what && count + 1 < sizeof line; ++what) {
      line[count++] = *what == '\n' || *what == '\r' ? ' ' : *what;
    }
    line[count] = 0;
    std::fputs(line, stderr);
  }
  std::fputs("\n", stderr);
}

// A file that the process opens must not take the place of a standard stream that its starter
// closed; what such a stream stands for here refuses to be read or written.
void occupy_standard_streams() {
  for (int fd = 0; fd < 3; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    [[maybe_unused]] const int null = ::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
  }
}

// What was printed has arrived, or an error line says that it has not.
bool flush_standard_output() {
  errno = 0;
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return true;
  print_error("standard output: ", errno != 0 ? std::strerror(errno) : "cannot be written");
  return false;
}

int run_parsed(int argc, char** argv) {
  CLI::App app("Ingot compiles a trained model once and runs it at the limit of the hardware.",
               "ingot");
  app.require_subcommand(1);
  app.set_version_flag("--version", INGOT_VERSION);
  std::vector<Parsed> all;
  for (const CommandDef* def : cli_command_list()) all.push_back(declare(app, *def));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kDone : kWrongUsage;
  }
  for (Parsed& parsed : all) {
    if (!parsed.app->parsed()) continue;
    parsed.flags->finish();
    apply(*parsed.global);
    return parsed.command->run();
  }
  return kWrongUsage;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  occupy_standard_streams();
  remove_temporaries_on_signals();
  ::signal(SIGPIPE, SIG_IGN);  // a reader that left is an error line
  try {
    const int code = run_parsed(argc, argv);
    return code == kDone && !flush_standard_output() ? kFailed : code;
  } catch (const UsageError& error) {
    print_error("", error.what());
    return kWrongUsage;
  } catch (const Error& error) {
    print_error("", error.what());
  } catch (const std::bad_alloc&) {
    print_error("", "out of memory");
  } catch (const std::exception& error) {
    print_error("[internal] ", error.what());
  }
  return kFailed;
}

}  // namespace ingot
