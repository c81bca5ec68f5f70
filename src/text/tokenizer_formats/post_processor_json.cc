// The post-processors of tokenizer.json: ids before and behind a text.
#include "text/tokenizer_formats/pipeline_json.h"
#include "text/tokenizer_formats/tokenizer_json.h"

namespace ingot {
namespace {

int32_t checked_id(int64_t id, std::string_view what, std::string_view name,
                   const TokenizerParts& parts) {
  if (id < 0 || id >= static_cast<int64_t>(parts.tokens.size())) {
    fail(ErrorCode::kCorrupt, kTokenizerJson, "{}: {}: id {} of '{}' is not below {}", parts.file,
         what, id, name, parts.tokens.size());
  }
  return static_cast<int32_t>(id);
}

void refuse_second(const Json& node, const TokenizerParts& parts) {
  if (parts.prefix.empty() && parts.suffix.empty()) return;
  refuse_component("post-processor", "second " + text_field(node, "type", parts), parts);
}

// A list of special tokens around the one sequence.
void read_template(const Json& node, TokenizerParts& parts) {
  refuse_second(node, parts);
  const auto single = node.find("single");
  if (single == node.end() || !single->is_array()) {
    fail(ErrorCode::kCorrupt, kTokenizerJson, "{}: TemplateProcessing without a list 'single'",
         parts.file);
  }
  // Around two sequences, which nothing here encodes.
  const auto pair = node.find("pair");
  if (pair != node.end() && !pair->is_null() && !pair->is_array()) {
    fail(ErrorCode::kCorrupt, kTokenizerJson,
         "{}: TemplateProcessing: 'pair': expected a list, found {}", parts.file,
         pair->type_name());
  }
  bool before = true;
  for (const Json& piece : *single) {
    if (piece.is_object() && piece.contains("Sequence") && before) {
      before = false;
      continue;
    }
    if (!piece.is_object() || !piece.contains("SpecialToken")) {
      fail(ErrorCode::kUnsupported, kTokenizerJson,
           "{}: TemplateProcessing piece {} is not supported", parts.file, piece.dump());
    }
    const std::string name = text_field(piece["SpecialToken"], "id", parts);
    std::vector<int64_t> ids;
    const auto table = node.find("special_tokens");
    if (table != node.end() && table->is_object() && table->contains(name)) {
      ids = json_require<std::vector<int64_t>>((*table)[name], "ids", kTokenizerJson, parts.file);
    }
    if (ids.empty()) {
      fail(ErrorCode::kCorrupt, kTokenizerJson, "{}: TemplateProcessing: no ids for '{}'",
           parts.file, name);
    }
    for (const int64_t id : ids) {
      (before ? parts.prefix : parts.suffix)
          .push_back(checked_id(id, "TemplateProcessing", name, parts));
    }
  }
}

// ["[SEP]", 102]
int32_t pair_field(const Json& node, const char* key, const TokenizerParts& parts) {
  const std::string type = text_field(node, "type", parts);
  const auto it = node.find(key);
  if (it == node.end() || !it->is_array() || it->size() != 2 || !(*it)[0].is_string() ||
      !(*it)[1].is_number_unsigned()) {
    fail(ErrorCode::kCorrupt, kTokenizerJson, "{}: {}: '{}' is not a token and its id", parts.file,
         type, key);
  }
  return checked_id(static_cast<int64_t>(std::min<uint64_t>((*it)[1].get<uint64_t>(), INT64_MAX)),
                    type, (*it)[0].get<std::string>(), parts);
}

void read_cls_sep(const Json& node, TokenizerParts& parts) {
  refuse_second(node, parts);
  parts.prefix = {pair_field(node, "cls", parts)};
  parts.suffix = {pair_field(node, "sep", parts)};
}

constexpr ComponentRow kPostProcessors[] = {
    {"BertProcessing", read_cls_sep},
    {"ByteLevel", [](const Json&, TokenizerParts&) {}},  // changes offsets only
    {"RobertaProcessing", read_cls_sep},
    {"TemplateProcessing", read_template},
};

}  // namespace

void parse_post_processor(const Json& node, TokenizerParts& parts) {
  read_component(node, "post-processor", "processors", kPostProcessors, parts);
}

}  // namespace ingot
