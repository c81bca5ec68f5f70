#include <cstdio>
#include <limits>

#include "capi/tokenizer_loader.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"

namespace ingot {
namespace command_detokenize {

class Detokenize final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.argument("source", &source_, kTokenizerSources);
    flags.argument("ids", &ids_, "1,2,3; without it standard input is read", false);
    flags.flag("special", &special_, "print special tokens too");
    flags.flag("jsonl", &jsonl_, "read one {\"ids\": [...]} a line, print one JSON string a line");
  }

  int run() override {
    if (jsonl_ && !ids_.empty()) throw UsageError("--jsonl reads standard input, found ids");
    const auto tokenizer = open_tokenizer(source_);
    if (jsonl_) return run_lines(*tokenizer);
    if (ids_.empty()) ids_ = read_standard_input();
    const std::string text = tokenizer->decode(parse_ids(ids_, "ids"), !special_);
    if (json) {
      print_json({{"text", text}});
    } else {
      std::printf("%s\n", text.c_str());
    }
    return 0;
  }

 private:
  int run_lines(const Tokenizer& tokenizer) const {
    map_json_lines("cli/detokenize", [&](const Json& entry, const std::string& where) {
      const auto wide = json_require<std::vector<int64_t>>(entry, "ids", "cli/detokenize", where);
      std::vector<int32_t> ids;
      for (int64_t id : wide) {
        if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
          fail(ErrorCode::kInvalidArgument, "cli/detokenize", "{}: id {}: expected 0 to {}", where,
               id, std::numeric_limits<int32_t>::max());
        }
        ids.push_back(static_cast<int32_t>(id));
      }
      return Json(tokenizer.decode(ids, !special_));
    });
    return 0;
  }

  std::string source_;
  std::string ids_;
  bool special_ = false;
  bool jsonl_ = false;
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
