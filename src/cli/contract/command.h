// The contract of a subcommand: cli/<name>.cc defines `const CommandDef& <name>_command()`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// A flag of other programs that has no meaning here: taken, with a line that says `why`, where it
// asks for what always holds; else refused, with `why` as the word on what to use instead. --help
// does not show it.
struct OtherFlag {
  std::string name;                 // without the dashes
  std::vector<std::string> others;  // with their dashes
  bool takes_value = false;         // else it is a switch: "true", or "false" of a config file
  std::vector<std::string> holds;   // values that are taken
  std::string why;
};

// Declares a command's arguments. Values point into the command object and keep their defaults when
// the user gives nothing. Every flag has an environment twin: --max-tokens is INGOT_MAX_TOKENS.
class Flags {
 public:
  virtual ~Flags() = default;
  // Positional arguments, in order. `given` (optional): also for an empty text, which is then the
  // command's to take or to refuse.
  virtual void argument(std::string name, std::string* value, std::string help,
                        bool required = true, bool* given = nullptr) = 0;
  virtual void arguments(std::string name, std::vector<std::string>* values, std::string help) = 0;
  // Named flags without the dashes: "max-tokens". `given` (optional) tells whether the user set it.
  // An empty text is an error but for text(): a script's unset variable must not count as absent.
  virtual void flag(std::string name, std::string* value, std::string help,
                    bool* given = nullptr) = 0;
  virtual void flag(std::string name, int64_t* value, std::string help, bool* given = nullptr) = 0;
  virtual void flag(std::string name, double* value, std::string help, bool* given = nullptr) = 0;
  virtual void flag(std::string name, bool* value, std::string help) = 0;  // a switch
  virtual void flag(std::string name, std::vector<std::string>* values, std::string help) = 0;
  virtual void text(std::string name, std::string* value, std::string help) = 0;
  // More names, with their dashes, of what is declared next as `name`: "-c", "--ctx-size", "-np".
  virtual void also(const std::string& name, const std::vector<std::string>& others) = 0;
  virtual void other(const OtherFlag& flag) = 0;
  // The names of the declared flags that the command line gives; the environment's are not among
  // them, which may be meant for other commands.
  virtual void given(std::vector<std::string>* names) = 0;
  // --config FILE: flags in YAML, read where the command line does not name them.
  virtual void config_file() = 0;
};

// Arguments that do not go together or cannot be read: one line on standard error, exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// run()'s exit code when Ctrl-C cut it short and what there was has been printed.
constexpr int kInterrupted = 130;

// One run of a subcommand. run() returns the exit code: 0 done, 1 failed, kInterrupted; wrong usage
// (2) is found before, or thrown as UsageError. Errors are thrown and printed as one line.
class Command {
 public:
  virtual ~Command() = default;
  virtual void declare(Flags& flags) = 0;
  virtual int run() = 0;
  // --json is on every subcommand: one JSON object (or one a line) on standard output, no more.
  bool json = false;
};

struct CommandDef {
  std::string_view name;
  std::string_view help;     // one line
  std::string_view example;  // a whole command line that works
  std::unique_ptr<Command> (*make)();
};

// Generated from cli/*.cc.
const std::vector<const CommandDef*>& cli_command_list();

// Parses and runs; returns the process's exit code. Prints errors to standard error.
int run_command_line(int argc, char** argv);

}  // namespace ingot
