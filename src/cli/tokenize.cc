#include <cstdio>

#include "base/error.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/tokenizer_command.h"

namespace ingot {
namespace command_tokenize {

constexpr TokenizerCommand::Words kWords = {
    .argument = "text",
    .argument_help = "text; without it standard input is read",
    .found = "a text",
    .special_help = "add the tokens of the post-processor (BOS, EOS)",
    .jsonl_help = "read one JSON string a line, print one {\"ids\"} a line",
    .where = "cli/tokenize"};

class Tokenize final : public TokenizerCommand {
 public:
  Tokenize() : TokenizerCommand(kWords) {}

 private:
  void print(const Tokenizer& tokenizer, const std::string& text) const override {
    const std::vector<int32_t> ids = tokenizer.encode(text, {.add_special = special_});
    if (json) {
      print_json({{"ids", ids}});
      return;
    }
    for (int32_t id : ids) {
      print_line(fmt::format("{:7}  {}", id, tokenizer.token_text(id)));
    }
  }

  Json convert(const Tokenizer& tokenizer, const Json& text,
               const std::string& where) const override {
    if (!text.is_string()) {
      fail(ErrorCode::kInvalidArgument, kWords.where, "{}: expected a JSON string, found {}", where,
           text.type_name());
    }
    return Json({{"ids", tokenizer.encode(text.get_ref<const std::string&>(), {special_, true})}});
  }
};

}  // namespace command_tokenize

const CommandDef& tokenize_command() {
  using namespace command_tokenize;
  static const CommandDef def = {
      .name = "tokenize",
      .help = "text to token ids",
      .example = "ingot tokenize smollm2-135m-instruct \"Hello, world\" --json",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Tokenize>()); }};
  return def;
}

}  // namespace ingot
