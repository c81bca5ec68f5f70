#include "cli/contract/embedding_flags.h"

#include <fmt/format.h>

namespace ingot {

void TaskFlag::declare(Flags& flags) {
  flags.flag("task", &name,
             "what a decoder is for: generate, embed, or auto: embed where the model says how");
}

ModelTask TaskFlag::task() const {
  if (name == "auto") return ModelTask::kAuto;
  if (name == "generate") return ModelTask::kGenerate;
  if (name == "embed") return ModelTask::kEmbed;
  throw UsageError(fmt::format("--task: expected auto, generate or embed, found '{}'", name));
}

void PoolingFlag::declare(Flags& flags) {
  flags.flag("pooling", &name, "of embeddings: mean, cls or last, whatever the model says");
}

void PoolingFlag::check() const {
  if (name.empty() || parse_pooling(name)) return;
  throw UsageError(fmt::format("--pooling: expected mean, cls or last, found '{}'", name));
}

void PoolingFlag::apply(EmbeddingRules& rules) const {
  if (const auto pooling = parse_pooling(name)) rules.pooling = *pooling;
}

}  // namespace ingot
