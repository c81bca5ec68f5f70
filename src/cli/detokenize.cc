#include <cstdio>

#include "base/error.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/tokenizer_command.h"

namespace ingot {
namespace command_detokenize {

constexpr TokenizerCommand::Words kWords = {
    .argument = "ids",
    .argument_help = "1,2,3; without it standard input is read",
    .found = "ids",
    .special_help = "print special tokens too",
    .jsonl_help = "read one {\"ids\": [...]} a line, print one JSON string a line",
    .where = "cli/detokenize"};

void check_id(const Tokenizer& tokenizer, int64_t id, const std::string& where) {
  if (id >= 0 && id < tokenizer.vocab_size()) return;
  fail(ErrorCode::kInvalidArgument, kWords.where, "{}: id {}: expected 0 to {}", where, id,
       tokenizer.vocab_size() - 1);
}

class Detokenize final : public TokenizerCommand {
 public:
  Detokenize() : TokenizerCommand(kWords) {}

 private:
  void print(const Tokenizer& tokenizer, const std::string& ids) const override {
    const std::vector<int32_t> parsed = parse_ids(ids, "ids");
    for (const int32_t id : parsed) check_id(tokenizer, id, "ids");
    const std::string text = tokenizer.decode(parsed, !special_);
    if (json) {
      print_json({{"text", text}});
    } else {
      write_answer(text + "\n");
    }
  }

  Json convert(const Tokenizer& tokenizer, const Json& line,
               const std::string& where) const override {
    const auto wide = json_require<std::vector<int64_t>>(line, "ids", kWords.where, where);
    std::vector<int32_t> ids;
    for (int64_t id : wide) {
      check_id(tokenizer, id, where);
      ids.push_back(static_cast<int32_t>(id));
    }
    return Json(tokenizer.decode(ids, !special_));
  }
};

}  // namespace command_detokenize

const CommandDef& detokenize_command() {
  using namespace command_detokenize;
  static const CommandDef def = {
      .name = "detokenize",
      .help = "token ids to text",
      .example = "ingot detokenize smollm2-135m-instruct 19556,28,905",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Detokenize>()); }};
  return def;
}

}  // namespace ingot
