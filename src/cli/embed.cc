#include <cstdio>

#include "base/error.h"
#include "cli/contract/embedding_flags.h"
#include "cli/contract/generation_flags.h"
#include "cli/contract/interrupts.h"
#include "cli/contract/standard_input.h"
#include "runtime/embedding_session.h"

namespace ingot {
namespace command_embed {

constexpr int64_t kRows = 32;  // texts of a step

struct Text {
  std::string text;
  std::vector<int32_t> ids;
};

class Embed final : public Command {
 public:
  void declare(Flags& flags) override {
    model_.declare(flags);
    flags.arguments("texts", &texts_, "texts; - reads one a line from standard input");
    flags.flag("dimensions", &dimensions_,
               "the first numbers of each vector alone, of length 1 again; 0 = all");
    flags.flag("truncate", &truncate_, "cut longer texts to what the model takes");
    flags.flag("max-num-batched-tokens", &step_tokens_,
               "most tokens of a step; 0 = what the engine was built for");
    pooling_.declare(flags);
  }

  int run() override {
    check_range("dimensions", dimensions_, 0, 1 << 24);
    check_range("max-num-batched-tokens", step_tokens_, 0, 1 << 24);
    pooling_.check();
    if (texts_.empty()) throw UsageError("expected texts, or - to read them");
    const bool reads = texts_.size() == 1 && texts_[0] == "-";
    for (const std::string& text : texts_) {
      if (!reads) check_utf8(text, "text");
    }
    model_.task = ModelTask::kEmbed;
    const OpenModel model = model_.open();
    EmbeddingRules rules = engine_embedding_rules(*model.loaded.engine, model_.model);
    pooling_.apply(rules);
    EmbeddingOptions options;
    options.reference = model_.reference;
    options.context = model_.max_seq_len;
    options.sequences = kRows;
    options.step_tokens = step_tokens_;
    EmbeddingSession session(model.loaded.engine, rules, *model.device, options);
    check_dimensions(rules, session.limits().columns);
    const Tokenizer& tokenizer = require_tokenizer(model.assets, false);
    const auto take = [&](const std::string& text, const std::string& where) {
      add(text, where, tokenizer, rules, session);
    };
    catch_interrupts(/*once=*/true);
    if (reads) {
      LineReader lines;
      std::string text;
      while (!interrupted && lines.next(text) == LineReader::Input::kLine) {
        const std::string where = fmt::format("line {}", lines.number());
        check_utf8(text, where);
        take(text, where);
      }
    } else {
      for (size_t i = 0; i < texts_.size() && !interrupted; ++i) {
        take(texts_[i], fmt::format("text {}", i + 1));
      }
    }
    if (!interrupted) flush(session);
    return interrupted ? kInterrupted : 0;
  }

 private:
  void check_dimensions(const EmbeddingRules& rules, int64_t columns) const {
    if (dimensions_ == 0 || dimensions_ == columns) return;
    const auto& known = rules.dimensions;
    const bool trained =
        rules.any_dimensions || std::find(known.begin(), known.end(), dimensions_) != known.end();
    if (trained && dimensions_ < columns) return;
    fail(ErrorCode::kInvalidArgument, "cli/embed",
         "--dimensions {}: the model's vectors have {} numbers, and it does not say that it was "
         "trained for {}",
         dimensions_, columns, dimensions_);
  }

  void add(const std::string& text, const std::string& where, const Tokenizer& tokenizer,
           const EmbeddingRules& rules, EmbeddingSession& session) {
    const EmbeddingLimits& limits = session.limits();
    EmbeddingText wanted;
    if (truncate_) wanted.truncate = limits.max_tokens;
    Text next{text, embedding_ids(tokenizer, rules, text, wanted)};
    check_embedding_ids(next.ids, limits);
    const auto count = static_cast<int64_t>(next.ids.size());
    if (text.empty() || count < 1 || count > limits.max_tokens) {
      fail(ErrorCode::kInvalidArgument, "cli/embed", "{}: expected 1 to {} tokens, found {}{}",
           where, limits.max_tokens, text.empty() ? 0 : count,
           count > limits.max_tokens ? " (--truncate cuts longer texts)" : "");
    }
    const bool full = static_cast<int64_t>(waiting_.size()) == limits.rows ||
                      waiting_tokens_ + count > limits.step_tokens;
    if (full) flush(session);
    waiting_tokens_ += count;
    waiting_.push_back(std::move(next));
  }

  void flush(EmbeddingSession& session) {
    std::vector<std::span<const int32_t>> sequences;
    sequences.reserve(waiting_.size());
    for (const Text& text : waiting_) sequences.emplace_back(text.ids);
    const auto vectors = session.embed(sequences);
    for (size_t i = 0; i < vectors.size(); ++i) print(waiting_[i], vectors[i]);
    waiting_.clear();
    waiting_tokens_ = 0;
  }

  void print(const Text& text, std::vector<float> vector) const {
    if (dimensions_ > 0 && dimensions_ < static_cast<int64_t>(vector.size())) {
      vector.resize(static_cast<size_t>(dimensions_));
      normalize(vector);
    }
    if (json) {
      print_json({{"text", text.text}, {"tokens", text.ids.size()}, {"embedding", vector}});
    } else {
      write_output(fmt::format("{}\n", fmt::join(vector, " ")));
    }
  }

  ModelFlags model_;
  PoolingFlag pooling_;
  std::vector<std::string> texts_;
  int64_t dimensions_ = 0, step_tokens_ = 0;
  bool truncate_ = false;
  std::vector<Text> waiting_;
  int64_t waiting_tokens_ = 0;
};

}  // namespace command_embed

const CommandDef& embed_command() {
  using namespace command_embed;
  static const CommandDef def = {
      .name = "embed",
      .help = "make a vector of each text",
      .example = "ingot embed ./all-MiniLM-L6-v2 \"a text\" \"another one\" --json",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Embed>()); }};
  return def;
}

}  // namespace ingot
