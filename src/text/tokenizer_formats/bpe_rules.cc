#include "text/tokenizer_formats/bpe_rules.h"

#include <algorithm>

#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/bpe_rules";
// Work of finding the merges of a ranked vocabulary grows with the square of a token's length; real
// ones need about 10^7 byte steps.
constexpr uint64_t kMaxSplitWork = 1'000'000'000;

MergeRule make_rule(const TokenizerParts& parts, size_t number, std::string_view left,
                    std::string_view right, std::string_view prefix) {
  std::string joined(left);
  joined += right.starts_with(prefix) ? right.substr(prefix.size()) : right;
  const MergeRule rule = {parts.find(left), parts.find(right), parts.find(joined),
                          static_cast<uint32_t>(number)};
  if (rule.left < 0 || rule.right < 0 || rule.id < 0) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: merge {} '{} {}': a part or the whole is not in the vocabulary", parts.file, number,
         left, right);
  }
  return rule;
}

// Names of the steps of a pipeline component, nested Sequences included.
void list_types(const Json& node, std::vector<std::string>& types, int depth = 0) {
  if (!node.is_object() || depth > 16) return;
  const auto type = node.find("type");
  if (type == node.end() || !type->is_string()) return;
  const auto list = node.find("pretokenizers");
  if (*type != "Sequence" || list == node.end() || !list->is_array()) {
    return types.push_back(type->get<std::string>());
  }
  for (const Json& member : *list) list_types(member, types, depth + 1);
}

}  // namespace

bool is_json_byte_level(const TokenizerJson& json) {
  std::vector<std::string> types;
  list_types(json.component("pre_tokenizer"), types);
  return !types.empty() && types.back() == "ByteLevel" &&
         std::count(types.begin(), types.end(), "ByteLevel") == 1 &&
         json.text("continuing_subword_prefix").empty() && json.text("end_of_word_suffix").empty();
}

void check_json_bpe(const TokenizerJson& json) {
  double dropout = 0;
  if (json.model()["dropout"].get(dropout) == simdjson::SUCCESS && dropout != 0) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: BPE with dropout is not supported", json.file());
  }
}

std::vector<MergeRule> read_json_merges(const TokenizerJson& json, const TokenizerParts& parts,
                                        std::string_view prefix) {
  const auto corrupt = [&](size_t number, std::string_view what) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: merge {} {}", parts.file, number, what);
  };
  simdjson::dom::array merges;
  if (json.model()["merges"].get(merges) != simdjson::SUCCESS) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: 'model.merges' is not a list", parts.file);
  }
  std::vector<MergeRule> rules;
  for (const simdjson::dom::element element : merges) {
    std::string_view left, right, line;
    simdjson::dom::array pair;
    if (element.get(line) == simdjson::SUCCESS) {
      const size_t space = line.find(' ');
      if (space == line.npos) corrupt(rules.size(), fmt::format("'{}' has no space", line));
      left = line.substr(0, space);
      right = line.substr(space + 1);
    } else if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
               pair.at(0).get(left) != simdjson::SUCCESS ||
               pair.at(1).get(right) != simdjson::SUCCESS) {
      corrupt(rules.size(), "is neither 'left right' nor a pair of strings");
    }
    rules.push_back(make_rule(parts, rules.size(), left, right, prefix));
  }
  return rules;
}

std::vector<MergeRule> read_merge_lines(const std::vector<std::string>& lines,
                                        const TokenizerParts& parts) {
  std::vector<MergeRule> rules;
  for (const std::string& line : lines) {
    // The space that parts the two is never the first character.
    const size_t space = line.find(' ', 1);
    const std::string_view all = line;
    const auto left = all.substr(0, std::min(space, all.size()));
    const auto right = space == all.npos ? std::string_view() : all.substr(space + 1);
    rules.push_back(make_rule(parts, rules.size(), left, right, ""));
  }
  return rules;
}

std::vector<uint32_t> ranks_of_scores(std::span<const double> scores) {
  std::vector<double> order(scores.begin(), scores.end());
  std::sort(order.begin(), order.end(), std::greater<>());
  order.erase(std::unique(order.begin(), order.end()), order.end());
  std::vector<uint32_t> ranks;
  for (const double score : scores) {
    const auto at = std::lower_bound(order.begin(), order.end(), score, std::greater<>());
    ranks.push_back(static_cast<uint32_t>(at - order.begin()));
  }
  return ranks;
}

std::vector<MergeRule> find_merges(const TokenizerParts& parts, std::span<const std::string> tokens,
                                   std::span<const uint32_t> ranks,
                                   FunctionRef<int32_t(std::string_view)> find) {
  std::vector<MergeRule> rules;
  uint64_t work = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i];
    const auto id = static_cast<int32_t>(i);
    if (parts.kinds[i] != TokenKind::kNormal || find(token) != id) continue;
    work += token.size() * token.size();
    if (work > kMaxSplitWork) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: the tokens are too long (at token {})", parts.file,
           i);
    }
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const int32_t left = find(token.substr(0, cut));
      if (left < 0) continue;
      const int32_t right = find(token.substr(cut));
      if (right >= 0) rules.push_back({left, right, id, ranks[i]});
    }
  }
  return rules;
}

}  // namespace ingot
