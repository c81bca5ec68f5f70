#include <cstdio>

#include "capi/tokenizer_loader.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"

namespace ingot {
namespace command_tokenize {

class Tokenize final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.argument("source", &source_, kTokenizerSources);
    flags.argument("text", &text_, "text; without it standard input is read", false);
    flags.flag("special", &special_, "add the tokens of the post-processor (BOS, EOS)");
    flags.flag("jsonl", &jsonl_, "read one JSON string a line, print one {\"ids\"} a line");
  }

  int run() override {
    if (jsonl_ && !text_.empty()) throw UsageError("--jsonl reads standard input, found a text");
    const auto tokenizer = open_tokenizer(source_);
    if (jsonl_) return run_lines(*tokenizer);
    if (text_.empty()) text_ = read_standard_input();
    const std::vector<int32_t> ids = tokenizer->encode(text_, {.add_special = special_});
    if (json) {
      print_json({{"ids", ids}});
      return 0;
    }
    for (int32_t id : ids) {
      std::printf("%7d  %s\n", id, std::string(tokenizer->token_text(id)).c_str());
    }
    return 0;
  }

 private:
  int run_lines(const Tokenizer& tokenizer) const {
    map_json_lines("cli/tokenize", [&](const Json& text, const std::string& where) {
      if (!text.is_string()) {
        fail(ErrorCode::kInvalidArgument, "cli/tokenize", "{}: expected a JSON string, found {}",
             where, text.type_name());
      }
      return Json(
          {{"ids", tokenizer.encode(text.get_ref<const std::string&>(), {special_, true})}});
    });
    return 0;
  }

  std::string source_;
  std::string text_;
  bool special_ = false;
  bool jsonl_ = false;
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
