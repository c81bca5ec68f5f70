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

const Tokenizer& ServedModel::require_tokenizer(std::string field) const {
  if (assets->tokenizer) return *assets->tokenizer;
  ApiError error = plain_error(400, "the model has no tokenizer: send token ids");
  error.param = std::move(field);
  throw error;
}

Request ServedModel::prepare(const GenerateInput& input, const std::string& field) const {
  const auto tokens = static_cast<int64_t>(input.prompt.size());
  if (tokens == 0) throw bad_request(field, fmt::format("'{}': the prompt has no tokens", field));
  if (tokens >= context) throw context_exceeded(tokens, context, field);
  if (!input.stops.empty() && !input.tokenizer) {
    throw bad_request("stop", "'stop': the model has no tokenizer: send 'stop_token_ids'");
  }
  try {
    return prepare_request(input, loop->limits(), context);
  } catch (const Error& error) {
    ApiError out = api_error_of(error);
    const std::string_view values = "prompt_logprobs";
    if (out.message.starts_with(values)) out.param = values;
    throw out;
  }
}

}  // namespace ingot
