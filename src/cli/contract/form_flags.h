// Flags that hold an answer to a form: --json-schema, --regex, --grammar and their files.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/contract/command.h"
#include "runtime/text_assets.h"
#include "text/grammar.h"

namespace ingot {

struct FormFlags {
  void declare(Flags& flags);
  // UsageError for two forms; reads the files (Error{kIo}). Before any work.
  void check();
  // The grammar for a model with so many logits; nullptr without a form. Error as
  // Grammar::compile(), and where the model has no tokenizer or no token that ends an answer.
  std::shared_ptr<const Grammar> grammar(const TextAssets& assets, int64_t vocab_size) const;

  std::string json_schema, json_schema_file, regex, ebnf, ebnf_file;

 private:
  std::optional<GrammarSource> source_;
};

}  // namespace ingot
