// What the readers of tokenizer.json's pipeline components share. Internal to text/.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "text/tokenizer_pipeline/pattern.h"
#include "text/tokenizer_pipeline/pre_tokenizer.h"
#include "text/tokenizer_pipeline/tokenizer_parts.h"

namespace ingot {

inline constexpr std::string_view kTokenizerJson = "text/tokenizer_json";

// One type of a component: what it adds to the parts.
struct ComponentRow {
  std::string_view type;
  void (*read)(const Json& node, TokenizerParts& parts);
};

// Reads a component, the members of a Sequence (its list's key is `list`) one after the other.
// Error{kUnsupported} names a type that is not among `rows`.
void read_component(const Json& node, std::string_view kind, std::string_view list,
                    std::span<const ComponentRow> rows, TokenizerParts& parts);

// Error{kUnsupported}: "FILE: KIND 'WHAT' is not supported".
[[noreturn]] void refuse_component(std::string_view kind, std::string_view what,
                                   const TokenizerParts& parts);

// Fields of a node.
bool flag_field(const Json& node, std::string_view key, bool fallback, const TokenizerParts& parts);
std::string text_field(const Json& node, std::string_view key, const TokenizerParts& parts);
std::string text_field(const Json& node, std::string_view key, std::string_view fallback,
                       const TokenizerParts& parts);
int64_t number_field(const Json& node, std::string_view key, int64_t fallback,
                     const TokenizerParts& parts);
// "pattern": a {"Regex": ..} or {"String": ..}.
std::unique_ptr<Pattern> pattern_field(const Json& node, const TokenizerParts& parts);
// Of Metaspace: newer files name a prepend_scheme, older ones have add_prefix_space.
PrependScheme scheme_field(const Json& node, const TokenizerParts& parts);
std::string marker_field(const Json& node, const TokenizerParts& parts);

}  // namespace ingot
