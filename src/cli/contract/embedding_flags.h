// Flags of commands that may give embeddings.
#pragma once

#include <string>

#include "base/embedding_rules.h"
#include "capi/model_loader.h"
#include "cli/contract/command.h"

namespace ingot {

// --task.
struct TaskFlag {
  void declare(Flags& flags);
  ModelTask task() const;  // UsageError

  std::string name = "auto";
};

// --pooling.
struct PoolingFlag {
  void declare(Flags& flags);
  void check() const;  // UsageError
  // In place of the model's.
  void apply(EmbeddingRules& rules) const;

  std::string name;
};

}  // namespace ingot
