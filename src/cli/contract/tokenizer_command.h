// What `tokenize` and `detokenize` share: a tokenizer, and one piece of input or lines of JSON.
#pragma once

#include <string>

#include "base/json.h"
#include "cli/contract/command.h"
#include "text/tokenizer.h"

namespace ingot {

class TokenizerCommand : public Command {
 public:
  struct Words {
    const char* argument;  // its name: "ids"
    const char* argument_help;
    const char* found;  // in "--jsonl reads standard input, found ids"
    const char* special_help;
    const char* jsonl_help;
    const char* where;  // opens errors about lines: "cli/detokenize"
  };
  explicit TokenizerCommand(const Words& words) : words_(words) {}
  void declare(Flags& flags) final;
  int run() final;

 protected:
  // Prints what becomes of the argument, or of all standard input.
  virtual void print(const Tokenizer& tokenizer, const std::string& input) const = 0;
  // The line to print for one line of standard input; `where` names that in errors.
  virtual Json convert(const Tokenizer& tokenizer, const Json& line,
                       const std::string& where) const = 0;

  bool special_ = false;

 private:
  const Words& words_;
  std::string source_;
  std::string input_;
  bool has_input_ = false, jsonl_ = false;
};

}  // namespace ingot
