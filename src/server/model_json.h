// How /v1/models shows a model.
#pragma once

#include "base/json.h"
#include "server/served_model.h"

namespace ingot {

// `name`: the model's, or an alias.
inline Json model_json(const ServedModel& model, const std::string& name) {
  return {{"id", name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "ingot"},
          {"root", model.name},
          {"max_model_len", model.context},
          {"has_tokenizer", model.assets->tokenizer != nullptr}};
}

}  // namespace ingot
