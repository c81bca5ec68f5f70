#include "server/served_model.h"

#include <algorithm>

#include "server/api_error.h"

namespace ingot {

void ServedModel::check_name(std::string_view wanted) const {
  const bool known =
      wanted == name || std::find(aliases.begin(), aliases.end(), wanted) != aliases.end();
  if (!known) throw model_not_found(std::string(wanted));
}

void ServedModel::check_wanted(const Json& body) const {
  const auto wanted = body.find("model");
  if (wanted != body.end() && wanted->is_string()) {
    check_name(wanted->get_ref<const std::string&>());
  }
}

Loop& ServedModel::require_loop() const {
  if (loop == nullptr) {
    throw bad_request("model", fmt::format("the model '{}' gives embeddings (/v1/embeddings) and "
                                           "answers no text",
                                           name));
  }
  return *loop;
}

const ServedEmbeddings& ServedModel::require_embeddings() const {
  if (embeddings == nullptr) {
    throw bad_request("model", fmt::format("the model '{}' answers text and gives no embeddings; "
                                           "'ingot serve MODEL --task embed' serves them",
                                           name));
  }
  return *embeddings;
}

LoopStats ServedModel::stats() const {
  return loop != nullptr ? loop->stats() : embeddings->queue->stats();
}

const Tokenizer& ServedModel::require_tokenizer() const {
  if (!assets->tokenizer) throw plain_error(400, "the model has no tokenizer: send token ids");
  return *assets->tokenizer;
}

Request ServedModel::prepare(const GenerateInput& input) const {
  const auto tokens = static_cast<int64_t>(input.prompt.size());
  if (tokens >= context) throw context_exceeded(tokens, context);
  try {
    return prepare_request(input, loop->limits(), context);
  } catch (const Error& error) {
    throw api_error_of(error);
  }
}

}  // namespace ingot
