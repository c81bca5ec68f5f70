#include "cli/contract/form_flags.h"

#include "base/file.h"

namespace ingot {

void FormFlags::declare(Flags& flags) {
  flags.also("json-schema", {"-j"});
  flags.flag("json-schema", &json_schema, "the answer is JSON of this schema; {} is any JSON");
  flags.flag("json-schema-file", &json_schema_file, "the same, of a file");
  flags.flag("regex", &regex, "the whole answer matches this expression");
  flags.flag("grammar", &ebnf, "the answer is of the rule root of this grammar in EBNF");
  flags.flag("grammar-file", &ebnf_file, "the same, of a file");
}

void FormFlags::check() {
  struct Way {
    const char* flag;
    GrammarKind kind;
    const std::string& value;
    bool file;
  };
  const Way ways[] = {{"--json-schema", GrammarKind::kJsonSchema, json_schema, false},
                      {"--json-schema-file", GrammarKind::kJsonSchema, json_schema_file, true},
                      {"--regex", GrammarKind::kRegex, regex, false},
                      {"--grammar", GrammarKind::kEbnf, ebnf, false},
                      {"--grammar-file", GrammarKind::kEbnf, ebnf_file, true}};
  const Way* chosen = nullptr;
  for (const Way& way : ways) {
    if (way.value.empty()) continue;
    if (chosen != nullptr) {
      throw UsageError(fmt::format("{} goes without {}", way.flag, chosen->flag));
    }
    chosen = &way;
  }
  if (chosen == nullptr) return;
  constexpr size_t kMostBytes = size_t{1} << 20;
  source_ = {chosen->kind, chosen->file ? read_file(chosen->value, kMostBytes) : chosen->value};
}

std::shared_ptr<const Grammar> FormFlags::grammar(const TextAssets& assets,
                                                  int64_t vocab_size) const {
  if (!source_) return nullptr;
  const auto vocabulary = GrammarVocabulary::create(assets.require_tokenizer(), assets.end_ids(),
                                                    static_cast<int32_t>(vocab_size));
  return Grammar::compile(vocabulary, *source_);
}

}  // namespace ingot
