// The model behind the endpoints.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/embedding_rules.h"
#include "runtime/embedding_queue.h"
#include "runtime/embedding_session.h"
#include "runtime/loop.h"
#include "runtime/text_assets.h"
#include "runtime/text_session.h"
#include "server/model_grammars.h"

namespace ingot {

// Of a model that gives embeddings.
struct ServedEmbeddings {
  EmbeddingQueue* queue = nullptr;  // run by a thread of its owner
  EmbeddingRules rules;
};

// Immutable, but for what the loop or the queue does; any thread.
struct ServedModel {
  std::string name;                  // of the API
  std::vector<std::string> aliases;  // also taken as "model"
  int64_t created = 0;               // Unix time, seconds
  const TextAssets* assets = nullptr;
  Loop* loop = nullptr;  // run by a thread of its owner; null: the model answers no text
  int64_t context = 0;   // most tokens of prompt and answer together, or of a text
  std::shared_ptr<ModelGrammars> grammars;       // of a model with a loop
  const ServedEmbeddings* embeddings = nullptr;  // null: it gives none

  // ApiError (404) unless `wanted` is a name of it.
  void check_name(std::string_view wanted) const;
  // The same of a body's "model", which may be left out.
  void check_wanted(const Json& body) const;
  // ApiError (400) of a model for the other kind of request.
  Loop& require_loop() const;
  const ServedEmbeddings& require_embeddings() const;
  // Of the loop or the queue.
  LoopStats stats() const;
  // ApiError (400) when the model brought none; `field` wants it.
  const Tokenizer& require_tokenizer(std::string field = {}) const;
  // ApiError (400) for a prompt, of `field`, that does not fit and parameters out of range.
  Request prepare(const GenerateInput& input, const std::string& field) const;
};

}  // namespace ingot
