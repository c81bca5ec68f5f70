// The one file that knows CLI11.
#include <fcntl.h>
#include <fmt/ranges.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/knobs.h"
#include "base/log.h"
#include "base/mapping_faults.h"
#include "base/nearest.h"
#include "base/printable.h"
#include "base/progress.h"
#include "base/temporary.h"
#include "capi/plugin.h"
#include "cli/contract/command.h"
#include "cli/contract/config_file.h"
#include "cli/contract/environment.h"
#include "passes/pipeline.h"
#include "runtime/session_memory.h"

namespace ingot {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;
constexpr const char* kOtherFlags = "other servers";  // the group of what Flags::other() declares

std::string twin(const std::string& flag) {
  std::string out = "INGOT_";
  for (char c : flag) {
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

// What is wrong with a flag's text, else nothing; the library puts "--name: " before it. It would
// take hexadecimal and octal numbers, and the largest for what is too large.
std::string wrong_value(std::string& text, const std::string*) {
  return text.empty() ? "expected a value, found an empty one" : "";
}

// All of `text` as a decimal number, which may have one sign.
template <typename T>
std::errc read_number(const std::string& text, T& value) {
  const bool plus = text.starts_with('+');
  const char* first = text.data() + (plus ? 1 : 0);
  const char* last = text.data() + text.size();
  if (plus && text.find_first_of("+-", 1) == 1) return std::errc::invalid_argument;
  const auto [end, error] = std::from_chars(first, last, value);
  return end == last ? error : std::errc::invalid_argument;
}

std::string wrong_value(std::string& text, const int64_t*) {
  int64_t value = 0;
  const std::errc error = read_number(text, value);
  if (error == std::errc()) {
    text = std::to_string(value);
    return "";
  }
  const bool large = error == std::errc::result_out_of_range;
  return fmt::format("expected a whole number{}, found '{}'", large ? " below 2^63" : "", text);
}

std::string wrong_value(std::string& text, const double*) {
  double value = 0;
  const std::errc error = read_number(text, value);
  if (error == std::errc()) return "";
  const bool range = error == std::errc::result_out_of_range;
  return fmt::format("expected a number{}, found '{}'", range ? " of 1e-308 to 1e308 in size" : "",
                     text);
}

std::string wrong_value(std::string& text, const bool*) {
  for (const char* word : {"1", "0", "true", "false", "on", "off", "yes", "no"}) {
    if (CLI::detail::to_lower(text) == word) return "";
  }
  return fmt::format("expected true or false, found '{}'", text);
}

std::string wrong_progress(std::string& text) {
  if (text == "bar" || text == "json" || text == "none") return "";
  return fmt::format("expected bar, json or none, found '{}'", text);
}

// Without a description, which --help would print.
CLI::Validator checked(std::function<std::string(std::string&)> wrong) {
  return CLI::Validator(std::move(wrong), "");
}

template <typename T>
CLI::Validator checked_value() {
  return checked(
      [](std::string& text) { return wrong_value(text, static_cast<const T*>(nullptr)); });
}

class CliFlags final : public Flags {
 public:
  explicit CliFlags(CLI::App& app) : app_(app) {}

  void argument(std::string name, std::string* value, std::string help, bool required,
                bool* given) override {
    CLI::Option* option = app_.add_option(name + others_[name], *value, help);
    if (required) option->required();
    if (given) given_.emplace_back(option, given);
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
    app_.add_flag(names(name), *value, help)->envname(twin(name))->check(checked_value<bool>());
  }
  void flag(std::string name, std::vector<std::string>* values, std::string help) override {
    // One value each time, or the flag would swallow the arguments behind it.
    app_.add_option(names(name), *values, help)
        ->envname(twin(name))
        ->allow_extra_args(false)
        ->check(checked_value<std::string>());
  }
  void text(std::string name, std::string* value, std::string help) override {
    app_.add_option(names(name), *value, help)->envname(twin(name))->take_last();
  }
  void also(const std::string& name, const std::vector<std::string>& others) override {
    for (const std::string& other : others) {
      // The library would take "-np" for -n with the value "p".
      const bool long_dash = other.size() > 2 && other[1] != '-';
      if (long_dash) {
        long_dashes_[other] = "--" + name;
      } else {
        others_[name] += "," + other;
      }
    }
  }
  void given(std::vector<std::string>* names) override { given_names_ = names; }
  void config_file() override { flag("config", &config_, "YAML file of flags", nullptr); }
  void other(const OtherFlag& flag) override {
    also(flag.name, flag.others);
    Other& other = others_given_.emplace_back(Other{flag, "true", nullptr});
    if (flag.takes_value) {
      other.option = app_.add_option(names(flag.name), other.value)->take_last();
    } else {
      other.option = app_.add_flag(names(flag.name), other.value);
    }
    other.option->group(kOtherFlags);
  }
  // Before --help is printed, and no earlier: the library gives options of no group no name.
  void hide_others() const {
    for (const Other& other : others_given_) other.option->group("");
  }
  // Fills the `given` marks once parsing is over; returns lines on flags that have no effect.
  // UsageError for those that are refused. `named`: options that the command line names.
  std::vector<std::string> finish(const std::set<const CLI::Option*>& named) const {
    for (const auto& [option, given] : given_) *given = option->count() > 0;
    for (const CLI::Option* option : app_.get_options()) {
      if (given_names_ && named.contains(option))
        given_names_->push_back(option->get_name().substr(2));
    }
    std::vector<std::string> out;
    for (const Other& other : others_given_) {
      if (other.option->count() > 0) judge(other, out);
    }
    return out;
  }
  // "--name,-n,--other"
  std::string names(const std::string& name) { return "--" + name + others_[name]; }
  // "--parallel" for "-np"; all other arguments as they are.
  std::string plain(const std::string& argument) const {
    const auto at = long_dashes_.find(argument.substr(0, argument.find('=')));
    return at == long_dashes_.end() ? argument : at->second + argument.substr(at->first.size());
  }

 private:
  struct Other {
    OtherFlag flag;
    std::string value;
    CLI::Option* option;
  };
  static void judge(const Other& other, std::vector<std::string>& lines) {
    const auto& [name, others, takes_value, holds, why] = other.flag;
    if (std::find(holds.begin(), holds.end(), other.value) != holds.end()) {
      lines.push_back(fmt::format("--{} has no effect: {}", name, why));
    } else if (takes_value && !holds.empty()) {
      throw UsageError(fmt::format("--{}: expected {}, found '{}': {}", name,
                                   fmt::join(holds, " or "), other.value, why));
    } else if (takes_value || holds.empty() == (other.value == "true")) {
      throw UsageError(fmt::format("--{} is not a flag of this server: {}", name, why));
    }
  }
  template <typename T>
  void add(const std::string& name, T& value, const std::string& help, bool* given) {
    CLI::Option* option = app_.add_option(names(name), value, help)->envname(twin(name));
    option->capture_default_str();
    option->transform(checked_value<T>());
    option->take_last();  // a flag given again replaces the first, as scripts with defaults expect
    if (given) given_.emplace_back(option, given);
  }
  CLI::App& app_;
  std::vector<std::pair<CLI::Option*, bool*>> given_;
  std::deque<Other> others_given_;                  // options point into it
  std::map<std::string, std::string> others_;       // of a name: ",-n,--other"
  std::map<std::string, std::string> long_dashes_;  // "-np": "--parallel"
  std::string config_;
  std::vector<std::string>* given_names_ = nullptr;
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
      ->envname("INGOT_JSON")
      ->check(checked_value<bool>());
  parsed.app->add_option("--progress", global.progress, "bar, json or none")
      ->envname("INGOT_PROGRESS")
      ->check(checked(wrong_progress))
      ->take_last();
  parsed.app
      ->add_option(parsed.flags->names("threads"), global.threads, "compute threads; 0 = all CPUs")
      ->envname("INGOT_THREADS")
      ->check(checked_value<std::string>())
      ->take_last();
  parsed.app->add_option("--plugin", global.plugins, "library with ops and kernels; its code runs")
      ->envname("INGOT_PLUGIN")
      ->check(checked_value<std::string>())
      ->allow_extra_args(false);
  return parsed;
}

void check_pass_names() {
  try {
    parse_pass_names(knob_text("disable_passes"));
  } catch (const Error& error) {
    throw UsageError(std::string("INGOT_DISABLE_PASSES: ") + error.what());
  }
}

void apply_global(const GlobalFlags& global, const std::vector<std::string>& warnings) {
  // Before any work: a wrong knob is found late where it is read, or never.
  try {
    check_knobs();
    check_pass_names();
    if (!global.threads.empty()) check_knob(find_knob("threads"), "--threads", global.threads);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  init_log();
  for (const std::string& warning : warnings) spdlog::warn("{}", warning);
  set_progress_style(global.progress == "json"   ? ProgressStyle::kJson
                     : global.progress == "none" ? ProgressStyle::kNone
                                                 : ProgressStyle::kBar);
  if (!global.threads.empty()) set_knob("threads", global.threads);
  for (const std::string& path : global.plugins) load_plugin(path);
}

// Errors are one line, whatever the message quotes from a file or an argument. Allocates nothing:
// memory may be what ran out.
void print_error(const char* kind, std::string_view what) {
  char line[1024];
  size_t size = 0;
  std::fprintf(stderr, "error: %s", kind);
  while (!what.empty()) {
    const ShownCharacter next = next_shown(what, "\n");
    for (const char c : next.text()) line[size++] = c == '\n' ? ' ' : c;
    if (size + next.bytes.size() <= sizeof line && !what.empty()) continue;
    std::fwrite(line, 1, size, stderr);
    size = 0;
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

// What helps where memory ran out: those flags of the command that set how much it takes.
std::string memory_advice(CLI::App& app) {
  std::string out;
  for (const char* flag :
       {"--max-seq-len", "--max-batch-size", "--max-num-tokens", "--kv-memory"}) {
    if (!app.get_option_no_throw(flag)) continue;
    out += fmt::format("{}{}", out.empty() ? "; lower " : ", ", flag);
  }
  return out.empty() ? out : out + " ('ingot plan' shows what fits)";
}

// Names of all flags that --help shows, or of their twins in the environment.
std::vector<std::string> flag_names(CLI::App& app, bool twins) {
  std::vector<std::string> out;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() == kOtherFlags) continue;
    const std::string name = twins ? option->get_envname() : option->get_name();
    if (twins ? !name.empty() : name.starts_with("--")) out.push_back(name);
  }
  return out;
}

// Arguments that no subcommand took: none was named, or they stand before its name.
std::string wrong_start(const std::vector<Parsed>& all, const std::string& first) {
  if (first.starts_with("-")) {
    return fmt::format("expected a subcommand first, found '{}'", first);
  }
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const Parsed& parsed : all) names.emplace_back(parsed.def->name);
  return fmt::format("unknown subcommand '{}'{}", first, did_you_mean(first, names));
}

// "model [prompt]": the arguments that are no flags; `missing` names required ones without a value.
std::string positionals(CLI::App& app, std::string& missing) {
  std::string out;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    const std::string name = option->get_name(true);
    const char* more = option->get_expected_max() > 1 ? "..." : "";
    const char* format = option->get_required() ? "{}{}{}" : "{}[{}{}]";
    out += fmt::format(fmt::runtime(format), out.empty() ? "" : " ", name, more);
    if (!option->get_required() || option->count() > 0) continue;
    missing += (missing.empty() ? "" : " and ") + name;
  }
  return out;
}

// Arguments of a subcommand that do not fit: too many, too few, unknown flags.
std::string wrong_arguments(CLI::App& app) {
  const std::vector<std::string> extra = app.remaining();
  for (const std::string& argument : extra) {
    if (!argument.starts_with("-") || argument == "--") continue;
    const std::string name = argument.substr(0, argument.find('='));
    return fmt::format("unknown flag '{}'{}", name, did_you_mean(name, flag_names(app, false)));
  }
  std::string missing;
  const std::string expected = positionals(app, missing);
  if (!missing.empty()) return fmt::format("expected {}, found none", missing);
  return fmt::format("expected {}, found also '{}'", expected.empty() ? "no argument" : expected,
                     fmt::join(extra, "' '"));
}

// The option that "--name", "--name=value", "-n" or "-nvalue" names.
const CLI::Option* option_of(CLI::App& app, const std::string& argument) {
  if (argument.size() < 2 || argument[0] != '-') return nullptr;
  const std::string name =
      argument[1] == '-' ? argument.substr(0, argument.find('=')) : argument.substr(0, 2);
  for (const CLI::Option* option : app.get_options()) {
    if (option->check_name(name)) return option;
  }
  return nullptr;
}

// A wrong value, as "--name: what"; names the variable that it came from where that is not an
// argument. All commands' variables are read, so the flag may be another command's.
std::string wrong_flag(CLI::App& app, const std::vector<Parsed>& all, const std::string& what,
                       const std::vector<std::string>& arguments) {
  for (CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (!what.starts_with(name + ":") || option->get_envname().empty()) continue;
    for (const std::string& argument : arguments) {
      if (option_of(app, argument) == option) return what;
    }
    return option->get_envname() + what.substr(name.size());
  }
  for (const Parsed& parsed : all) {
    for (const CLI::Option* option : parsed.app->get_options()) {
      const std::string name = option->get_name();
      if (!what.starts_with(name + ":") || option->get_envname().empty()) continue;
      return option->get_envname() + what.substr(name.size());
    }
  }
  return what;
}

// What a command line names: flags, and whether there are arguments that are none's.
struct Named {
  std::set<const CLI::Option*> flags;
  bool positional = false;
  std::string config;
};

Named named_by(CLI::App& app, const std::vector<std::string>& arguments) {
  Named out;
  if (const char* config = std::getenv("INGOT_CONFIG")) out.config = config;
  bool flags_over = false;
  for (size_t i = 1; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!flags_over && argument == "--") {
      flags_over = true;
      continue;
    }
    const CLI::Option* option = flags_over ? nullptr : option_of(app, argument);
    if (option == nullptr) {
      out.positional |= flags_over || !argument.starts_with('-');
      continue;
    }
    out.flags.insert(option);
    const size_t equals = argument.find('=');
    const bool inside = argument[1] == '-' ? equals != argument.npos : argument.size() > 2;
    std::string value = equals == argument.npos ? "" : argument.substr(equals + 1);
    if (!inside && option->get_items_expected_max() > 0 && ++i < arguments.size()) {
      value = arguments[i];
    }
    if (option->check_lname("config")) out.config = value;
  }
  return out;
}

// The config file's flags as arguments, those left out that the command line names.
std::vector<std::string> config_arguments(CLI::App& app, const Named& named) {
  std::vector<std::string> out;
  for (const ConfigEntry& entry : read_config_file(named.config)) {
    const std::string flag = "--" + entry.name;
    const CLI::Option* option = option_of(app, flag);
    if (option == nullptr || option == app.get_help_ptr() || entry.name == "config") {
      throw UsageError(fmt::format("{}:{}: unknown flag '{}'{}", named.config, entry.line,
                                   entry.name, did_you_mean(flag, flag_names(app, false))));
    }
    if (named.flags.contains(option) || (named.positional && option->get_positional())) continue;
    for (const std::string& value : entry.values) {
      out.push_back(fmt::format("{}={}", option->get_name(), value));
    }
  }
  return out;
}

// The arguments with what the command's config file adds, and under names that the library reads.
std::vector<std::string> completed(const std::vector<Parsed>& all,
                                   std::vector<std::string> arguments) {
  for (const Parsed& parsed : all) {
    if (arguments.empty() || parsed.def->name != arguments[0]) continue;
    for (std::string& argument : arguments) argument = parsed.flags->plain(argument);
    if (!parsed.app->get_option_no_throw("--config")) continue;
    const Named named = named_by(*parsed.app, arguments);
    if (named.config.empty()) continue;
    const std::vector<std::string> more = config_arguments(*parsed.app, named);
    arguments.insert(arguments.begin() + 1, more.begin(), more.end());
  }
  return arguments;
}

// One line on what `app` refused.
std::string usage_error(CLI::App& app, const std::vector<Parsed>& all, const CLI::ParseError& error,
                        const std::vector<std::string>& arguments) {
  CLI::App* called = nullptr;
  for (const Parsed& parsed : all) {
    if (parsed.app->parsed()) called = parsed.app;
  }
  const std::vector<std::string> before = app.remaining();
  if (!called || !before.empty()) {
    return fmt::format("{}; see 'ingot --help'", before.empty()
                                                     ? "expected a subcommand, found none"
                                                     : wrong_start(all, before.front()));
  }
  const std::string what = error.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) {
    const std::string name = what.substr(0, what.find(':'));
    const CLI::Option* option = option_of(*called, name);
    return fmt::format("{}: expected a value, found {}", name,
                       option && option->count() > 1 ? std::to_string(option->count()) : "none");
  }
  const bool count = dynamic_cast<const CLI::ExtrasError*>(&error) ||
                     dynamic_cast<const CLI::RequiredError*>(&error);
  if (!count) return wrong_flag(*called, all, what, arguments);
  return fmt::format("{}: {}; see 'ingot {} --help'", called->get_name(), wrong_arguments(*called),
                     called->get_name());
}

int run_parsed(std::vector<std::string> arguments) {
  CLI::App app("Ingot compiles a trained model once and runs it at the limit of the hardware.",
               "ingot");
  app.require_subcommand(1);
  app.set_version_flag("--version", INGOT_VERSION);
  std::vector<Parsed> all;
  for (const CommandDef* def : cli_command_list()) all.push_back(declare(app, *def));
  try {
    arguments = completed(all, std::move(arguments));
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      for (const Parsed& parsed : all) parsed.flags->hide_others();
      return app.exit(error);
    }
    throw UsageError(usage_error(app, all, error, arguments));
  }
  std::vector<std::string> twins;
  for (const Parsed& parsed : all) {
    for (std::string& name : flag_names(*parsed.app, true)) twins.push_back(std::move(name));
  }
  for (Parsed& parsed : all) {
    if (!parsed.app->parsed()) continue;
    std::vector<std::string> warnings =
        parsed.flags->finish(named_by(*parsed.app, arguments).flags);
    const std::string unknown = unknown_variables(environ, std::move(twins));
    if (!unknown.empty()) warnings.push_back(unknown);
    apply_global(*parsed.global, warnings);
    try {
      return parsed.command->run();
    } catch (const WeightsTooLarge&) {
      throw;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kOutOfMemory) throw;
      throw Error(error.code(), error.what() + memory_advice(*parsed.app));
    }
  }
  return kWrongUsage;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  occupy_standard_streams();
  remove_temporaries_on_signals();
  name_mapping_faults();
  ::signal(SIGPIPE, SIG_IGN);  // a reader that left is an error line
  try {
    const int code = run_parsed({argv + std::min(argc, 1), argv + argc});
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
