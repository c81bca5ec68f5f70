// A parsed tokenizer.json. The big lists of its model are read with simdjson, the rest as plain
// JSON. Internal to text/.
#pragma once

#include <simdjson.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "text/tokenizer_formats/tokenizer_config.h"

namespace ingot {

struct TokenizerParts;

class TokenizerJson {
 public:
  // Error{kCorrupt} naming `file` and the byte for what is not JSON or has no model.
  TokenizerJson(std::string_view json, std::string_view file);

  std::string_view file() const { return file_; }
  // The model's "type"; of files older than that field it follows from the other fields.
  std::string_view model_type() const { return type_; }
  const simdjson::dom::object& model() const { return model_; }
  // A part of the pipeline ("normalizer"); null when absent.
  Json component(std::string_view key) const;

  // Fields of the model; null counts as absent. Error{kCorrupt} for another type.
  bool flag(std::string_view key) const;
  std::string text(std::string_view key) const;  // empty when absent
  std::optional<int64_t> number(std::string_view key) const;

  // The vocabulary and the added tokens; scores where the vocabulary is a list of pairs.
  void read_tokens(TokenizerParts& parts) const;
  // Normalizer, pre-tokenizer, post-processor, decoder, tokens named by `config`.
  void read_pipeline(const TokenizerConfig& config, TokenizerParts& parts) const;

 private:
  std::string_view file_;
  simdjson::dom::parser parser_;
  simdjson::dom::object top_;
  simdjson::dom::object model_;
  std::string_view type_;
};

// Reads of tokenizer.json's pipeline components into `parts`. Error{kUnsupported} names the type.
void parse_normalizer(const Json& node, TokenizerParts& parts);
void parse_pre_tokenizer(const Json& node, TokenizerParts& parts);
void parse_post_processor(const Json& node, TokenizerParts& parts);
void parse_decoder(const Json& node, TokenizerParts& parts);

}  // namespace ingot
