#include "text/tokenizer_formats/pipeline_json.h"

#include "base/refusal.h"

namespace ingot {
namespace {

constexpr int kMaxNesting = 8;
constexpr int kMaxSteps = 256;  // of a kind; published files have up to ten

void read_nested(const Json& node, std::string_view kind, std::string_view list,
                 std::span<const ComponentRow> rows, TokenizerParts& parts, int depth, int& steps) {
  if (node.is_null()) return;
  if (depth > kMaxNesting) {
    fail(ErrorCode::kUnsupported, kTokenizerJson, "{}: Sequence nested more than {} deep",
         parts.file, kMaxNesting);
  }
  const std::string type = text_field(node, "type", parts);
  if (type != "Sequence") {
    if (++steps > kMaxSteps) {
      fail(ErrorCode::kUnsupported, kTokenizerJson, "{}: more than {} steps ({})", parts.file,
           kMaxSteps, kind);
    }
    for (const ComponentRow& row : rows) {
      if (row.type == type) return row.read(node, parts);
    }
    refuse_component(kind, type, parts);
  }
  const auto it = node.find(std::string(list));
  if (it == node.end() || !it->is_array()) {
    fail(ErrorCode::kCorrupt, kTokenizerJson, "{}: Sequence without a list '{}'", parts.file, list);
  }
  RefusalList refused;
  for (const Json& member : *it) {
    refused.gather("tokenizer", parts.file,
                   [&] { read_nested(member, kind, list, rows, parts, depth + 1, steps); });
  }
  refused.throw_if_any(kTokenizerJson);
}

}  // namespace

void read_component(const Json& node, std::string_view kind, std::string_view list,
                    std::span<const ComponentRow> rows, TokenizerParts& parts) {
  int steps = 0;
  read_nested(node, kind, list, rows, parts, 0, steps);
}

void refuse_component(std::string_view kind, std::string_view what, const TokenizerParts& parts) {
  fail(ErrorCode::kUnsupported, kTokenizerJson, "{}: {} '{}' is not supported", parts.file, kind,
       what);
}

bool flag_field(const Json& node, std::string_view key, bool fallback,
                const TokenizerParts& parts) {
  return json_get(node, key, fallback, kTokenizerJson, parts.file);
}

std::string text_field(const Json& node, std::string_view key, const TokenizerParts& parts) {
  return json_require<std::string>(node, key, kTokenizerJson, parts.file);
}

std::string text_field(const Json& node, std::string_view key, std::string_view fallback,
                       const TokenizerParts& parts) {
  return json_get(node, key, std::string(fallback), kTokenizerJson, parts.file);
}

int64_t number_field(const Json& node, std::string_view key, int64_t fallback,
                     const TokenizerParts& parts) {
  return json_get(node, key, fallback, kTokenizerJson, parts.file);
}

std::unique_ptr<Pattern> pattern_field(const Json& node, const TokenizerParts& parts) {
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
  fail(ErrorCode::kCorrupt, kTokenizerJson, "{}: 'pattern' of {} is neither a Regex nor a String",
       parts.file, text_field(node, "type", parts));
}

PrependScheme scheme_field(const Json& node, const TokenizerParts& parts) {
  const bool prefix = flag_field(node, "add_prefix_space", true, parts);
  const std::string name = text_field(node, "prepend_scheme", prefix ? "always" : "never", parts);
  if (name == "always") return PrependScheme::kAlways;
  if (name == "first") return PrependScheme::kFirst;
  if (name == "never") return PrependScheme::kNever;
  refuse_component("prepend_scheme", name, parts);
}

std::string marker_field(const Json& node, const TokenizerParts& parts) {
  std::string marker = text_field(node, "replacement", "\xE2\x96\x81", parts);
  if (marker.empty()) refuse_component("Metaspace replacement", marker, parts);
  return marker;
}

}  // namespace ingot
