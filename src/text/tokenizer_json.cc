// tokenizer.json. The big parts (vocabulary, merges) are read with simdjson, the rest as plain
// JSON.
#include <simdjson.h>

#include <algorithm>

#include "text/byte_alphabet.h"
#include "text/tokenizer_parts.h"

namespace ingot {
namespace {

namespace dom = simdjson::dom;
constexpr std::string_view kWhere = "text/tokenizer_json";
// Ids may leave holes (added tokens at round numbers), but not so many that a small file asks for a
// big table.
constexpr uint64_t kMaxHoles = 1 << 18;

class Reader {
 public:
  Reader(TokenizerParts& parts, const TokenizerConfig& config) : p_(parts), config_(config) {}

  void read(const dom::element& root) {
    dom::object top;
    if (root.get(top) != simdjson::SUCCESS) corrupt("the top is not an object");
    dom::object model;
    if (top["model"].get(model) != simdjson::SUCCESS) corrupt("'model' is missing");
    read_model_flags(model);
    read_tokens(top, model);
    read_merges(model);
    std::string_view unknown;
    if (model["unk_token"].get(unknown) == simdjson::SUCCESS) {
      p_.unk_id = p_.find(unknown);
      if (p_.unk_id < 0) corrupt("unk_token '{}' is not in the vocabulary", unknown);
    }
    parse_normalizer(component(top, "normalizer"), p_);
    parse_pre_tokenizer(component(top, "pre_tokenizer"), p_);
    parse_post_processor(component(top, "post_processor"), p_);
    parse_decoder(component(top, "decoder"), p_);
    p_.bos_id = named(config_.bos_token);
    p_.eos_id = named(config_.eos_token);
    p_.pad_id = named(config_.pad_token);
    const bool has_template = !p_.prefix.empty() || !p_.suffix.empty();
    if (!has_template && config_.add_bos_token.value_or(false) && p_.bos_id >= 0) {
      p_.prefix.push_back(p_.bos_id);
    }
    if (!has_template && config_.add_eos_token.value_or(false) && p_.eos_id >= 0) {
      p_.suffix.push_back(p_.eos_id);
    }
  }

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kCorrupt, kWhere, "{}: {}", p_.file,
         fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kUnsupported, kWhere, "{}: {}", p_.file,
         fmt::format(format, std::forward<Args>(args)...));
  }

  int32_t named(const std::string& token) const { return token.empty() ? -1 : p_.find(token); }

  Json component(const dom::object& top, std::string_view key) const {
    dom::element node;
    if (top[key].get(node) != simdjson::SUCCESS) return nullptr;
    return parse_json(simdjson::to_string(node), kWhere, p_.file);
  }

  bool flag(const dom::object& object, std::string_view key) const {
    dom::element value;
    if (object[key].get(value) != simdjson::SUCCESS || value.is_null()) return false;
    bool out = false;
    if (value.get(out) != simdjson::SUCCESS) corrupt("'{}' is not a boolean", key);
    return out;
  }

  void read_model_flags(const dom::object& model) {
    std::string_view type = "BPE";  // files written before the field existed are BPE with merges
    dom::element node;
    if (model["type"].get(node) == simdjson::SUCCESS && node.get(type) != simdjson::SUCCESS) {
      corrupt("'model.type' is not a string");
    }
    p_.model_type = type;
    if (type != "BPE") unsupported("model '{}' is not supported", type);
    p_.byte_fallback = flag(model, "byte_fallback");
    p_.fuse_unknown = flag(model, "fuse_unk");
    p_.whole_words_first = flag(model, "ignore_merges");
    double dropout = 0;
    if (model["dropout"].get(dropout) == simdjson::SUCCESS && dropout != 0) {
      unsupported("BPE with dropout is not supported");
    }
    for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      std::string_view affix;
      if (model[key].get(affix) == simdjson::SUCCESS && !affix.empty()) {
        unsupported("BPE with {} '{}' is not supported", key, affix);
      }
    }
  }

  uint64_t read_id(const dom::element& value, std::string_view token) const {
    uint64_t id = 0;
    if (value.get(id) != simdjson::SUCCESS) {
      corrupt("id of token '{}' is not a natural number", token);
    }
    return id;
  }

  AddedToken read_added(const dom::element& element) const {
    dom::object object;
    std::string_view content;
    dom::element id;
    if (element.get(object) != simdjson::SUCCESS ||
        object["content"].get(content) != simdjson::SUCCESS ||
        object["id"].get(id) != simdjson::SUCCESS) {
      corrupt("an added token without 'id' and 'content'");
    }
    if (content.size() > kMaxAddedTokenBytes) {
      unsupported("added token of {} bytes, the most is {}", content.size(), kMaxAddedTokenBytes);
    }
    AddedToken token;
    token.id = static_cast<int32_t>(std::min<uint64_t>(read_id(id, content), INT32_MAX));
    token.content = content;
    token.single_word = flag(object, "single_word");
    token.lstrip = flag(object, "lstrip");
    token.rstrip = flag(object, "rstrip");
    token.normalized = flag(object, "normalized");
    token.special = flag(object, "special");
    return token;
  }

  void read_tokens(const dom::object& top, const dom::object& model) {
    dom::object vocab;
    if (model["vocab"].get(vocab) != simdjson::SUCCESS) corrupt("'model.vocab' is not an object");
    dom::array added;
    if (top["added_tokens"].get(added) == simdjson::SUCCESS) {
      for (const dom::element element : added) p_.added.push_back(read_added(element));
    }
    uint64_t count = p_.added.size(), largest = 0;
    for (const auto field : vocab) {
      ++count;
      largest = std::max(largest, read_id(field.value, field.key));
    }
    for (const AddedToken& token : p_.added) {
      largest = std::max<uint64_t>(largest, static_cast<uint64_t>(token.id));
    }
    if (largest >= kMaxVocabulary || largest >= count + kMaxHoles) {
      corrupt("token id {} is too large for {} tokens", largest, count);
    }
    if (count == 0) corrupt("the vocabulary is empty");
    p_.tokens.resize(largest + 1);
    p_.kinds.assign(largest + 1, TokenKind::kNormal);
    for (const auto field : vocab) p_.tokens[read_id(field.value, field.key)] = field.key;
    for (const AddedToken& token : p_.added) {
      // An added token that the model has too prints as the model's token does.
      const bool known = p_.tokens[token.id] == token.content;
      p_.tokens[token.id] = token.content;
      p_.kinds[token.id] = token.special ? TokenKind::kControl
                           : known       ? TokenKind::kNormal
                                         : TokenKind::kAdded;
    }
    if (p_.byte_fallback) mark_byte_tokens();
    p_.index = StringIndex(count);
    for (size_t id = 0; id < p_.tokens.size(); ++id) {
      if (!p_.tokens[id].empty()) p_.index.insert(p_.tokens[id], static_cast<int32_t>(id));
    }
  }

  void mark_byte_tokens() {
    for (size_t id = 0; id < p_.tokens.size(); ++id) {
      const bool byte = p_.kinds[id] == TokenKind::kNormal && byte_of_fallback(p_.tokens[id]) >= 0;
      if (byte) p_.kinds[id] = TokenKind::kByte;
    }
  }

  // A merge is "left right" or ["left", "right"].
  void read_merges(const dom::object& model) {
    dom::array merges;
    if (model["merges"].get(merges) != simdjson::SUCCESS) corrupt("'model.merges' is not a list");
    std::string joined;
    for (const dom::element element : merges) {
      const size_t number = p_.merges.size();
      std::string_view left, right, line;
      dom::array pair;
      if (element.get(line) == simdjson::SUCCESS) {
        const size_t space = line.find(' ');
        if (space == line.npos) corrupt("merge {} '{}' has no space", number, line);
        left = line.substr(0, space);
        right = line.substr(space + 1);
      } else if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
                 pair.at(0).get(left) != simdjson::SUCCESS ||
                 pair.at(1).get(right) != simdjson::SUCCESS) {
        corrupt("merge {} is neither 'left right' nor a pair of strings", number);
      }
      joined.assign(left).append(right);
      const MergeRule rule = {p_.find(left), p_.find(right), p_.find(joined),
                              static_cast<uint32_t>(number)};
      if (rule.left < 0 || rule.right < 0 || rule.id < 0) {
        corrupt("merge {} '{} {}': a part or the whole is not in the vocabulary", number, left,
                right);
      }
      p_.merges.push_back(rule);
    }
  }

  TokenizerParts& p_;
  const TokenizerConfig& config_;
};

// The other library tells where it stopped; nothing is kept of what it reads.
size_t syntax_error(std::string_view json) {
  try {
    [[maybe_unused]] const Json nothing = Json::parse(
        json.begin(), json.end(), [](int, Json::parse_event_t, Json&) { return false; });
  } catch (const Json::parse_error& error) {
    return error.byte;
  } catch (const Json::exception&) {
  }
  return 0;
}

dom::element parse_root(dom::parser& parser, std::string_view json, std::string_view file) {
  dom::element root;
  const auto error = parser.parse(simdjson::padded_string(json)).get(root);
  if (error == simdjson::SUCCESS) return root;
  const size_t byte = json.empty() ? 0 : syntax_error(json);
  fail(ErrorCode::kCorrupt, kWhere, "{}:{} not valid JSON ({})", file,
       byte > 0 ? fmt::format(" byte {}:", byte) : "",
       json.empty() ? "the file is empty" : simdjson::error_message(error));
}

}  // namespace

void check_tokenizer_json(std::string_view json, std::string_view file) {
  dom::parser parser;
  parse_root(parser, json, file);
}

std::unique_ptr<TokenizerParts> parts_from_tokenizer_json(std::string_view json,
                                                          const TokenizerConfig& config,
                                                          std::string_view file) {
  dom::parser parser;
  const dom::element root = parse_root(parser, json, file);
  auto parts = std::make_unique<TokenizerParts>();
  parts->file = file;
  Reader(*parts, config).read(root);
  return parts;
}

}  // namespace ingot
