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
