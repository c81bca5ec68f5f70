#include "cli/contract/tokenizer_command.h"

#include <fmt/format.h>

#include "capi/tokenizer_loader.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/standard_input.h"

namespace ingot {

void TokenizerCommand::declare(Flags& flags) {
  flags.argument("source", &source_,
                 "tokenizer.json, .gguf file, model directory, engine or hub name");
  flags.argument(words_.argument, &input_, words_.argument_help, false, &has_input_);
  flags.flag("special", &special_, words_.special_help);
  flags.flag("jsonl", &jsonl_, words_.jsonl_help);
}

int TokenizerCommand::run() {
  if (jsonl_ && has_input_) {
    throw UsageError(fmt::format("--jsonl reads standard input, found {}", words_.found));
  }
  const auto tokenizer = open_tokenizer(source_);
  if (jsonl_) {
    map_json_lines(words_.where, [&](const Json& line, const std::string& where) {
      return convert(*tokenizer, line, where);
    });
    return 0;
  }
  if (!has_input_) input_ = read_standard_input();
  print(*tokenizer, input_);
  return 0;
}

}  // namespace ingot
