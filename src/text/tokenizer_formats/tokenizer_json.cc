// tokenizer.json. The big parts (vocabulary, merges) are read with simdjson, the rest as plain
// JSON.
#include "text/tokenizer_formats/tokenizer_json.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "base/refusal.h"
#include "text/tokenizer_pipeline/byte_alphabet.h"
#include "text/tokenizer_pipeline/tokenizer_parts.h"

namespace ingot {
namespace {

namespace dom = simdjson::dom;
constexpr std::string_view kWhere = "text/tokenizer_json";
// Ids may leave holes (added tokens at round numbers), but not so many that a small file asks for a
// big table.
constexpr uint64_t kMaxHoles = 1 << 18;

template <typename... Args>
[[noreturn]] void corrupt(std::string_view file, fmt::format_string<Args...> format,
                          Args&&... args) {
  fail(ErrorCode::kCorrupt, kWhere, "{}: {}", file,
       fmt::format(format, std::forward<Args>(args)...));
}

std::string_view type_text(const dom::element& value) {
  switch (value.type()) {
    case dom::element_type::ARRAY:
      return "a list";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::STRING:
      return "a string";
    case dom::element_type::BOOL:
      return "a boolean";
    case dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

// The list or object under the key. Whether there is one: null counts as absent.
template <typename T>
bool read_optional(const dom::object& object, std::string_view key, std::string_view file, T& out) {
  dom::element value;
  if (object[key].get(value) != simdjson::SUCCESS || value.is_null()) return false;
  if (value.get(out) == simdjson::SUCCESS) return true;
  corrupt(file, "'{}': expected {}, found {}", key,
          std::is_same_v<T, dom::array> ? "a list" : "an object", type_text(value));
}

bool flag_of(const dom::object& object, std::string_view key, std::string_view file) {
  dom::element value;
  if (object[key].get(value) != simdjson::SUCCESS || value.is_null()) return false;
  bool out = false;
  if (value.get(out) != simdjson::SUCCESS) corrupt(file, "'{}' is not a boolean", key);
  return out;
}

// Vocabulary and added tokens.
class TokenReader {
 public:
  TokenReader(TokenizerParts& parts, const dom::object& top, const dom::object& model)
      : p_(parts), top_(top), model_(model) {}

  void read() {
    dom::array added;
    if (read_optional(top_, "added_tokens", p_.file, added)) {
      for (const dom::element element : added) p_.added.push_back(read_added(element));
    }
    for (const AddedToken& token : p_.added) see_id(static_cast<uint64_t>(token.id));
    dom::object table;
    dom::array list;
    if (model_["vocab"].get(table) == simdjson::SUCCESS) {
      read_table(table);
    } else if (model_["vocab"].get(list) == simdjson::SUCCESS) {
      read_list(list);
    } else {
      corrupt(p_.file, "'model.vocab' is neither an object nor a list");
    }
    for (const AddedToken& token : p_.added) {
      // An added token that the model has too prints as the model's token does.
      const bool known = p_.tokens[token.id] == token.content;
      p_.tokens[token.id] = token.content;
      p_.kinds[token.id] = token.special ? TokenKind::kControl
                           : known       ? TokenKind::kNormal
                                         : TokenKind::kAdded;
    }
    p_.make_index();
  }

 private:
  uint64_t read_id(const dom::element& value, std::string_view token) const {
    uint64_t id = 0;
    if (value.get(id) != simdjson::SUCCESS) {
      corrupt(p_.file, "id of token '{}' is not a natural number", token);
    }
    return id;
  }

  void see_id(uint64_t id) {
    ++count_;
    largest_ = std::max(largest_, id);
  }

  AddedToken read_added(const dom::element& element) const {
    dom::object object;
    std::string_view content;
    dom::element id;
    if (element.get(object) != simdjson::SUCCESS ||
        object["content"].get(content) != simdjson::SUCCESS ||
        object["id"].get(id) != simdjson::SUCCESS) {
      corrupt(p_.file, "an added token without 'id' and 'content'");
    }
    if (content.size() > kMaxAddedTokenBytes) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: added token of {} bytes, the most is {}", p_.file,
           content.size(), kMaxAddedTokenBytes);
    }
    AddedToken token;
    token.id = static_cast<int32_t>(std::min<uint64_t>(read_id(id, content), INT32_MAX));
    token.content = content;
    token.single_word = flag_of(object, "single_word", p_.file);
    token.lstrip = flag_of(object, "lstrip", p_.file);
    token.rstrip = flag_of(object, "rstrip", p_.file);
    token.normalized = flag_of(object, "normalized", p_.file);
    token.special = flag_of(object, "special", p_.file);
    return token;
  }

  void make_room() {
    if (count_ == 0) corrupt(p_.file, "the vocabulary is empty");
    if (largest_ >= kMaxVocabulary || largest_ >= count_ + kMaxHoles) {
      corrupt(p_.file, "token id {} is too large for {} tokens", largest_, count_);
    }
    p_.tokens.resize(largest_ + 1);
    p_.kinds.assign(largest_ + 1, TokenKind::kNormal);
  }

  // {"token": id}
  void read_table(const dom::object& table) {
    for (const auto field : table) see_id(read_id(field.value, field.key));
    make_room();
    for (const auto field : table) p_.tokens[read_id(field.value, field.key)] = field.key;
  }

  // ["token", score] in the order of the ids
  void read_list(const dom::array& list) {
    uint64_t size = 0;
    for ([[maybe_unused]] const dom::element element : list) see_id(size++);
    make_room();
    p_.scores.resize(p_.tokens.size(), std::numeric_limits<double>::infinity());
    size_t id = 0;
    for (const dom::element element : list) {
      dom::array pair;
      if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
          pair.at(1).get(p_.scores[id]) != simdjson::SUCCESS) {
        corrupt(p_.file, "'model.vocab': entry {} is not a pair of a string and a number", id);
      }
      std::string_view token;
      if (pair.at(0).get(token) != simdjson::SUCCESS) {
        corrupt(p_.file, "'model.vocab': entry {} does not begin with a string", id);
      }
      p_.tokens[id++] = token;
    }
  }

  TokenizerParts& p_;
  const dom::object& top_;
  const dom::object& model_;
  uint64_t count_ = 0, largest_ = 0;
};

// The other library tells where it stopped. It is shown nothing to keep: the parser that a callback
// may tell so takes time with the square of the nesting.
struct StopPlace final : Json::json_sax_t {
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(int64_t) override { return true; }
  bool number_unsigned(uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(Json::binary_t&) override { return true; }
  bool start_object(size_t) override { return true; }
  bool key(std::string&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(size_t position, const std::string&, const Json::exception&) override {
    byte = position;
    return false;
  }
  size_t byte = 0;
};

size_t syntax_error(std::string_view json) {
  StopPlace place;
  Json::sax_parse(json.begin(), json.end(), &place);
  return place.byte;
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

// Files written before the field existed tell by what else they have.
std::string_view guess_type(const dom::object& model) {
  const auto has = [&](std::string_view key) {
    dom::element value;
    return model[key].get(value) == simdjson::SUCCESS;
  };
  dom::array list;
  if (model["vocab"].get(list) == simdjson::SUCCESS) return "Unigram";
  if (has("merges")) return "BPE";
  if (has("max_input_chars_per_word")) return "WordPiece";
  return has("unk_token") ? "WordLevel" : "BPE";
}

}  // namespace

void check_tokenizer_json(std::string_view json, std::string_view file) {
  dom::parser parser;
  parse_root(parser, json, file);
}

TokenizerJson::TokenizerJson(std::string_view json, std::string_view file) : file_(file) {
  const dom::element root = parse_root(parser_, json, file);
  if (root.get(top_) != simdjson::SUCCESS) corrupt(file, "the top is not an object");
  if (!read_optional(top_, "model", file, model_)) corrupt(file, "'model' is missing");
  dom::object unused;  // how much text is taken is the caller's to say
  for (const char* key : {"truncation", "padding"}) read_optional(top_, key, file, unused);
  dom::element node;
  type_ = guess_type(model_);
  if (model_["type"].get(node) == simdjson::SUCCESS && node.get(type_) != simdjson::SUCCESS) {
    corrupt(file, "'model.type' is not a string");
  }
}

Json TokenizerJson::component(std::string_view key) const {
  dom::element node;
  if (top_[key].get(node) != simdjson::SUCCESS) return nullptr;
  return parse_json(simdjson::to_string(node), kWhere, file_);
}

bool TokenizerJson::flag(std::string_view key) const { return flag_of(model_, key, file_); }

std::string TokenizerJson::text(std::string_view key) const {
  dom::element value;
  if (model_[key].get(value) != simdjson::SUCCESS || value.is_null()) return {};
  std::string_view out;
  if (value.get(out) != simdjson::SUCCESS) corrupt(file_, "'model.{}' is not a string", key);
  return std::string(out);
}

std::optional<int64_t> TokenizerJson::number(std::string_view key) const {
  dom::element value;
  if (model_[key].get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  int64_t out = 0;
  if (value.get(out) != simdjson::SUCCESS) corrupt(file_, "'model.{}' is not an integer", key);
  return out;
}

void TokenizerJson::read_tokens(TokenizerParts& parts) const {
  TokenReader(parts, top_, model_).read();
  if (const std::string unknown = text("unk_token"); !unknown.empty()) {
    parts.unk_id = parts.find(unknown);
    if (parts.unk_id < 0) corrupt(file_, "unk_token '{}' is not in the vocabulary", unknown);
  }
  if (!flag("byte_fallback")) return;
  for (size_t id = 0; id < parts.tokens.size(); ++id) {
    TokenKind& kind = parts.kinds[id];
    if (kind == TokenKind::kNormal && byte_of_fallback(parts.tokens[id]) >= 0) {
      kind = TokenKind::kByte;
    }
  }
}

void TokenizerJson::read_pipeline(const TokenizerConfig& config, TokenizerParts& parts) const {
  RefusalList refused;
  const auto read = [&](std::string_view key, auto* parse) {
    refused.gather("tokenizer", parts.file, [&] { parse(component(key), parts); });
  };
  read("normalizer", parse_normalizer);
  read("pre_tokenizer", parse_pre_tokenizer);
  read("post_processor", parse_post_processor);
  read("decoder", parse_decoder);
  refused.throw_if_any(kWhere);
  const auto named = [&](const std::string& token) {
    return token.empty() ? -1 : parts.find(token);
  };
  parts.bos_id = named(config.bos_token);
  parts.eos_id = named(config.eos_token);
  parts.pad_id = named(config.pad_token);
  const bool has_template = !parts.prefix.empty() || !parts.suffix.empty();
  if (!has_template && config.add_bos_token.value_or(false) && parts.bos_id >= 0) {
    parts.prefix.push_back(parts.bos_id);
  }
  if (!has_template && config.add_eos_token.value_or(false) && parts.eos_id >= 0) {
    parts.suffix.push_back(parts.eos_id);
  }
}

}  // namespace ingot
