#include "text/tokenizer.h"

#include <optional>
#include <unordered_map>

#include "base/check.h"
#include "text/tokenizer_formats/tokenizer_spec.h"
#include "text/tokenizer_pipeline/tokenizer_parts.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/tokenizer";

// The bytes of all tokens, one behind the other.
struct PrintedTokens {
  std::string bytes;
  std::vector<uint32_t> offsets;  // one more than there are tokens

  std::string_view of(int32_t id) const {
    return std::string_view(bytes).substr(offsets[id], offsets[id + 1] - offsets[id]);
  }
};

}  // namespace

struct Tokenizer::State {
  std::unique_ptr<TokenizerParts> parts;
  const TokenizerDef* def = nullptr;
  std::unique_ptr<WordModel> model;
  AddedTokenMatcher raw_tokens;         // matched in the text as it is
  AddedTokenMatcher normalized_tokens;  // matched after normalization
  PrintedTokens printed;
  PrintedTokens printed_at_end;  // as the first or last of a text, where that differs

  explicit State(LoadedTokenizer loaded)
      : parts(std::move(loaded.parts)), def(loaded.def), model(std::move(loaded.model)) {
    raw_tokens =
        AddedTokenMatcher(parts->added, false, [](const AddedToken& t) { return t.content; });
    normalized_tokens = AddedTokenMatcher(
        parts->added, true, [&](const AddedToken& t) { return normalize(t.content); });
    const bool first = parts->decoder.first_differs(), last = parts->decoder.last_differs();
    if (first && last) {
      fail(ErrorCode::kUnsupported, kWhere,
           "{}: expected decoders that change the first or the last token, found both",
           parts->file);
    }
    printed = print(TokenPlace::kMiddle);
    if (first) printed_at_end = print(TokenPlace::kFirst);
    if (last) printed_at_end = print(TokenPlace::kLast);
  }

  PrintedTokens print(TokenPlace place) const {
    // Such tokens print as they are matched.
    std::unordered_map<int32_t, std::string> respelled;
    for (const AddedToken& token : parts->added) {
      if (token.normalized && !token.special) respelled[token.id] = normalize(token.content);
    }
    PrintedTokens out;
    out.offsets.push_back(0);
    for (size_t i = 0; i < parts->tokens.size(); ++i) {
      const auto other = respelled.find(static_cast<int32_t>(i));
      out.bytes += parts->decoder.print(other == respelled.end() ? parts->tokens[i] : other->second,
                                        parts->kinds[i], place);
      if (out.bytes.size() > UINT32_MAX) {
        fail(ErrorCode::kUnsupported, kWhere, "{}: tokens of more than 4 GiB", parts->file);
      }
      out.offsets.push_back(static_cast<uint32_t>(out.bytes.size()));
    }
    return out;
  }

  std::string normalize(const std::string& text) const {
    MarkedText marked = {text, ""};
    normalize_text(parts->normalizers, marked);
    return marked.text;
  }

  void encode_words(std::string_view text, bool at_start, std::vector<int32_t>& ids) const {
    Words words(text, at_start);
    for (const auto& step : parts->pre_tokenizers) step->apply(words);
    for (const Words::Bounds& word : words.words) model->encode(words.view(word), ids);
  }

  // A stretch between the added tokens that are matched in the raw text.
  void encode_stretch(std::string_view text, std::string_view marks, bool parse_special,
                      bool at_start, std::vector<int32_t>& ids) const {
    MarkedText rewritten;
    if (!parts->normalizers.empty()) {
      rewritten = {std::string(text), std::string(marks)};
      rewritten.at_start = at_start;
      normalize_text(parts->normalizers, rewritten);
      at_start = at_start && !rewritten.front_lost;
      text = rewritten.text;
      marks = rewritten.marks;
    }
    normalized_tokens.split(
        text, marks, parse_special, [&](size_t begin, size_t end, const AddedToken* token) {
          if (token != nullptr) return ids.push_back(token->id);
          encode_words(text.substr(begin, end - begin), at_start && begin == 0, ids);
        });
  }

  std::vector<int32_t> encode(std::string_view text, std::string_view marks, bool parse_special,
                              bool add_special) const {
    if (text.size() > kMaxEncodeBytes) {
      fail(ErrorCode::kInvalidArgument, kWhere, "text of {} bytes, the most is {}", text.size(),
           kMaxEncodeBytes);
    }
    if (const size_t bad = validate_utf8(text); bad != kUtf8Valid) {
      fail(ErrorCode::kInvalidArgument, kWhere, "invalid UTF-8 at byte {} of the text", bad);
    }
    std::vector<int32_t> ids;
    if (add_special) ids = parts->prefix;
    raw_tokens.split(text, marks, parse_special,
                     [&](size_t begin, size_t end, const AddedToken* token) {
                       if (token != nullptr) return ids.push_back(token->id);
                       encode_stretch(text.substr(begin, end - begin),
                                      marks.empty() ? marks : marks.substr(begin, end - begin),
                                      parse_special, begin == 0, ids);
                     });
    if (add_special) ids.insert(ids.end(), parts->suffix.begin(), parts->suffix.end());
    return ids;
  }

  void check_id(int32_t id) const {
    if (id >= 0 && static_cast<size_t>(id) < parts->tokens.size()) return;
    fail(ErrorCode::kInvalidArgument, kWhere, "token id {} is not in [0, {})", id,
         parts->tokens.size());
  }
};

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::~Tokenizer() = default;

std::unique_ptr<const Tokenizer> Tokenizer::load(std::span<const std::byte> spec,
                                                 std::string_view file) {
  return std::unique_ptr<const Tokenizer>(
      new Tokenizer(std::make_unique<State>(tokenizer_from_spec(spec, file))));
}

std::unique_ptr<const Tokenizer> Tokenizer::load(std::string_view spec, std::string_view file) {
  return load(std::as_bytes(std::span(spec.data(), spec.size())), file);
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return state()->encode(text, {}, options.parse_special, options.add_special);
}

std::vector<int32_t> Tokenizer::encode_mixed(std::string_view text,
                                             std::span<const TextRange> untrusted,
                                             bool add_special) const {
  std::string marks;
  if (!untrusted.empty()) marks.resize(text.size(), '\0');
  for (const TextRange& range : untrusted) {
    CHECK_LE(range.begin, range.end);
    CHECK_LE(range.end, text.size());
    marks.replace(range.begin, range.end - range.begin, range.end - range.begin, '\1');
  }
  return state()->encode(text, marks, true, add_special);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  const auto prints = [&](int32_t id) {  // not those of a padded vocabulary
    return id < vocab_size() && !(skip_special && is_control(id));
  };
  size_t first = 0, last = ids.size();
  while (first < last && !prints(ids[first])) ++first;
  while (last > first && !prints(ids[last - 1])) --last;
  std::string out;
  for (size_t i = first; i < last; ++i) {
    if (!prints(ids[i])) continue;
    const bool at_start = i == first && first_differs(), at_end = i + 1 == last && last_differs();
    out += token_bytes(ids[i], at_start ? TokenPlace::kFirst
                               : at_end ? TokenPlace::kLast
                                        : TokenPlace::kMiddle);
  }
  size_t drop = 0;
  while (drop < out.size() && drop < static_cast<size_t>(leading_spaces_dropped()) &&
         out[drop] == ' ') {
    ++drop;
  }
  return replace_invalid_utf8(std::string_view(out).substr(drop));
}

std::string_view Tokenizer::token_bytes(int32_t id, TokenPlace place) const {
  state()->check_id(id);
  const bool at_end = (place == TokenPlace::kFirst && first_differs()) ||
                      (place == TokenPlace::kLast && last_differs());
  return (at_end ? state()->printed_at_end : state()->printed).of(id);
}

bool Tokenizer::first_differs() const { return state()->parts->decoder.first_differs(); }
bool Tokenizer::last_differs() const { return state()->parts->decoder.last_differs(); }

std::string_view Tokenizer::token_text(int32_t id) const {
  state()->check_id(id);
  return state()->parts->tokens[id];
}

TokenKind Tokenizer::kind(int32_t id) const {
  state()->check_id(id);
  return state()->parts->kinds[id];
}

int32_t Tokenizer::token_to_id(std::string_view token) const { return state()->parts->find(token); }
int32_t Tokenizer::vocab_size() const {
  return static_cast<int32_t>(state()->parts->tokens.size());
}
int32_t Tokenizer::bos_id() const { return state()->parts->bos_id; }
int32_t Tokenizer::eos_id() const { return state()->parts->eos_id; }
int32_t Tokenizer::unk_id() const { return state()->parts->unk_id; }
int32_t Tokenizer::pad_id() const { return state()->parts->pad_id; }
bool Tokenizer::adds_bos() const { return !state()->parts->prefix.empty(); }
int Tokenizer::leading_spaces_dropped() const { return state()->parts->decoder.drop_spaces; }
const std::string& Tokenizer::chat_template() const { return state()->parts->chat_template; }
const std::vector<int32_t>& Tokenizer::chat_ends() const { return state()->parts->chat_ends; }
std::string_view Tokenizer::kind_name() const { return state()->def->name; }

}  // namespace ingot
