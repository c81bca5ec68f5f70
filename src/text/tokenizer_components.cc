// The pipeline components of tokenizer.json, by their "type".
#include <algorithm>

#include "text/tokenizer_parts.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/tokenizer_json";
constexpr int kMaxNesting = 8;

std::string type_of(const Json& node, const TokenizerParts& parts) {
  return json_require<std::string>(node, "type", kWhere, parts.file);
}

[[noreturn]] void unsupported(std::string_view kind, std::string_view type,
                              const TokenizerParts& parts) {
  fail(ErrorCode::kUnsupported, kWhere, "{}: {} '{}' is not supported", parts.file, kind, type);
}

// Calls `visit` with each member of a Sequence, nested ones flattened, or with the node itself.
template <typename Visit>
void flatten(const Json& node, std::string_view list, const TokenizerParts& parts, Visit visit,
             int depth = 0) {
  if (node.is_null()) return;
  if (depth > kMaxNesting) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: Sequence nested more than {} deep", parts.file,
         kMaxNesting);
  }
  const std::string type = type_of(node, parts);
  if (type != "Sequence") return visit(node, type);
  const auto it = node.find(std::string(list));
  if (it == node.end() || !it->is_array()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: Sequence without a list '{}'", parts.file, list);
  }
  for (const Json& member : *it) flatten(member, list, parts, visit, depth + 1);
}

std::unique_ptr<Pattern> parse_pattern(const Json& node, const TokenizerParts& parts) {
  const auto it = node.find("pattern");
  if (it != node.end() && it->is_object() && it->size() == 1) {
    const auto [kind, value] = std::pair(it->begin().key(), it->begin().value());
    if (value.is_string() && kind == "Regex") {
      return make_regex_pattern(value.get<std::string>(), parts.file);
    }
    if (value.is_string() && kind == "String" && !value.get<std::string>().empty()) {
      return make_literal_pattern(value.get<std::string>());
    }
  }
  fail(ErrorCode::kCorrupt, kWhere, "{}: 'pattern' of {} is neither a Regex nor a String",
       parts.file, type_of(node, parts));
}

SplitBehavior parse_behavior(const Json& node, const TokenizerParts& parts) {
  const std::string name = json_require<std::string>(node, "behavior", kWhere, parts.file);
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  unsupported("split behavior", name, parts);
}

// Newer files name a prepend_scheme, older ones have add_prefix_space.
PrependScheme parse_scheme(const Json& node, const TokenizerParts& parts) {
  const bool prefix = json_get(node, "add_prefix_space", true, kWhere, parts.file);
  const std::string name = json_get(node, "prepend_scheme",
                                    std::string(prefix ? "always" : "never"), kWhere, parts.file);
  if (name == "always") return PrependScheme::kAlways;
  if (name == "first") return PrependScheme::kFirst;
  if (name == "never") return PrependScheme::kNever;
  unsupported("prepend_scheme", name, parts);
}

void parse_byte_level(const Json& node, TokenizerParts& parts) {
  if (json_get(node, "add_prefix_space", true, kWhere, parts.file)) {
    parts.pre_tokenizers.push_back(make_prefix_space());
  }
  if (json_get(node, "use_regex", true, kWhere, parts.file)) {
    parts.pre_tokenizers.push_back(
        make_split(make_regex_pattern(kGpt2Split, parts.file), SplitBehavior::kIsolated, false));
  }
  parts.byte_level = true;
}

// Ids of a TemplateProcessing list; `before` is set while the text itself has not been reached.
void parse_template(const Json& node, TokenizerParts& parts) {
  const auto single = node.find("single");
  if (single == node.end() || !single->is_array()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: TemplateProcessing without a list 'single'", parts.file);
  }
  bool before = true;
  for (const Json& piece : *single) {
    if (piece.is_object() && piece.contains("Sequence") && before) {
      before = false;
      continue;
    }
    if (!piece.is_object() || !piece.contains("SpecialToken")) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: TemplateProcessing piece {} is not supported",
           parts.file, piece.dump());
    }
    const std::string name =
        json_require<std::string>(piece["SpecialToken"], "id", kWhere, parts.file);
    std::vector<int64_t> ids;
    const auto table = node.find("special_tokens");
    if (table != node.end() && table->is_object() && table->contains(name)) {
      ids = json_require<std::vector<int64_t>>((*table)[name], "ids", kWhere, parts.file);
    }
    if (ids.empty()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: TemplateProcessing: no ids for '{}'", parts.file,
           name);
    }
    for (const int64_t id : ids) {
      if (id < 0 || id >= static_cast<int64_t>(parts.tokens.size())) {
        fail(ErrorCode::kCorrupt, kWhere, "{}: TemplateProcessing: id {} of '{}' is not below {}",
             parts.file, id, name, parts.tokens.size());
      }
      (before ? parts.prefix : parts.suffix).push_back(static_cast<int32_t>(id));
    }
  }
}

}  // namespace

void parse_normalizer(const Json& root, TokenizerParts& parts) {
  flatten(root, "normalizers", parts, [&](const Json& node, const std::string& type) {
    auto& out = parts.normalizers;
    if (type == "Prepend") {
      out.push_back(
          make_prepend_normalizer(json_require<std::string>(node, "prepend", kWhere, parts.file)));
    } else if (type == "Replace") {
      out.push_back(
          make_replace_normalizer(parse_pattern(node, parts),
                                  json_require<std::string>(node, "content", kWhere, parts.file)));
    } else if (type == "NFC") {
      out.push_back(make_unicode_normalizer(UnicodeForm::kNfc));
    } else if (type == "NFD") {
      out.push_back(make_unicode_normalizer(UnicodeForm::kNfd));
    } else if (type == "NFKC") {
      out.push_back(make_unicode_normalizer(UnicodeForm::kNfkc));
    } else if (type == "NFKD") {
      out.push_back(make_unicode_normalizer(UnicodeForm::kNfkd));
    } else if (type == "Strip") {
      out.push_back(make_strip_normalizer(json_get(node, "strip_left", true, kWhere, parts.file),
                                          json_get(node, "strip_right", true, kWhere, parts.file)));
    } else {
      unsupported("normalizer", type, parts);
    }
  });
}

void parse_pre_tokenizer(const Json& root, TokenizerParts& parts) {
  flatten(root, "pretokenizers", parts, [&](const Json& node, const std::string& type) {
    auto& out = parts.pre_tokenizers;
    if (parts.byte_level) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: pre-tokenizer '{}' after ByteLevel", parts.file,
           type);
    }
    if (type == "ByteLevel") {
      parse_byte_level(node, parts);
    } else if (type == "Split") {
      out.push_back(make_split(parse_pattern(node, parts), parse_behavior(node, parts),
                               json_get(node, "invert", false, kWhere, parts.file)));
    } else if (type == "Digits") {
      out.push_back(
          make_digits_split(json_get(node, "individual_digits", false, kWhere, parts.file)));
    } else if (type == "Metaspace") {
      const std::string marker =
          json_get(node, "replacement", std::string("\xE2\x96\x81"), kWhere, parts.file);
      if (marker.empty()) unsupported("Metaspace replacement", marker, parts);
      out.push_back(make_metaspace(marker, parse_scheme(node, parts),
                                   json_get(node, "split", true, kWhere, parts.file)));
    } else {
      unsupported("pre-tokenizer", type, parts);
    }
  });
}

void parse_post_processor(const Json& root, TokenizerParts& parts) {
  bool have_template = false;
  flatten(root, "processors", parts, [&](const Json& node, const std::string& type) {
    if (type == "ByteLevel") return;  // changes offsets only
    if (type != "TemplateProcessing" || have_template) {
      unsupported("post-processor", have_template ? "second " + type : type, parts);
    }
    have_template = true;
    parse_template(node, parts);
  });
}

void parse_decoder(const Json& root, TokenizerParts& parts) {
  TokenDecoder& out = parts.decoder;
  bool fused = false;
  flatten(root, "decoders", parts, [&](const Json& node, const std::string& type) {
    if (type == "ByteLevel") {
      out.byte_level = true;
    } else if (type == "ByteFallback") {
      out.byte_fallback = true;
    } else if (type == "Fuse") {
      fused = true;
    } else if (type == "Metaspace") {
      const std::string marker =
          json_get(node, "replacement", std::string("\xE2\x96\x81"), kWhere, parts.file);
      if (marker.empty()) unsupported("Metaspace replacement", marker, parts);
      out.replacements.emplace_back(marker, " ");
      out.drop_spaces = parse_scheme(node, parts) == PrependScheme::kNever ? 0 : 1;
    } else if (type == "Replace" && !fused && node.contains("pattern") &&
               node["pattern"].is_object() && node["pattern"].contains("String")) {
      const auto from = json_require<std::string>(node["pattern"], "String", kWhere, parts.file);
      if (from.empty()) unsupported("decoder", "Replace of an empty string", parts);
      out.replacements.emplace_back(from,
                                    json_require<std::string>(node, "content", kWhere, parts.file));
    } else if (type == "Strip" && fused &&
               json_get(node, "content", std::string(), kWhere, parts.file) == " " &&
               json_get(node, "stop", int64_t{0}, kWhere, parts.file) == 0) {
      const int64_t start = json_get(node, "start", int64_t{0}, kWhere, parts.file);
      out.drop_spaces = static_cast<int>(std::clamp<int64_t>(start, 0, 1024));
    } else {
      unsupported("decoder", type, parts);
    }
  });
}

}  // namespace ingot
