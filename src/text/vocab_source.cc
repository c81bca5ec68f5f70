// A GGUF vocabulary to parts: the pre-tokenizer's name stands for a list of split expressions.
#include "text/vocab_source.h"

#include <algorithm>
#include <array>
#include <map>

#include "text/tokenizer_parts.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/vocab_source";
constexpr std::string_view kMarker = "\xE2\x96\x81";  // U+2581
// Work of finding the merges of a scored vocabulary grows with the square of a token's length; real
// ones need about 10^7 byte steps.
constexpr uint64_t kMaxSplitWork = 1'000'000'000;

// What a pre-tokenizer name means.
struct PreKind {
  std::string_view name;
  std::vector<std::string_view> splits;
  bool nfc = false;
  bool whole_words_first = false;
  bool add_bos = false;
};

const std::vector<PreKind>& pre_kinds() {
  // The default of files written before the name existed: punctuation apart, then the GPT-2 words,
  // then digits in threes.
  static const std::vector<std::string_view> plain = {
      "[\\p{P}\\$\\+<=>\\^~\\|]+",
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", "\\p{N}+",
      "[0-9][0-9][0-9]"};
  static const std::vector<std::string_view> digits = {"\\p{N}", kGpt2Split};
  static const std::vector<PreKind> kinds = {
      {"default", plain},
      {"gpt-2", {kGpt2Split}},
      {"mpt", {kGpt2Split}},
      {"olmo", {kGpt2Split}},
      {"phi-2", {kGpt2Split}},
      {"smollm", digits},
      {"starcoder", digits},
      {"refact", digits},
      {"command-r", digits},
      {"llama-bpe", {kLlama3Split}, false, true, true},
      {"llama3", {kLlama3Split}, false, true, true},
      {"llama-v3", {kLlama3Split}, false, true, true},
      {"qwen2", {kQwen2Split}, true},
      {"deepseek-r1-qwen", {kQwen2Split}, true},
  };
  return kinds;
}

class Builder {
 public:
  Builder(const VocabSource& source, TokenizerParts& parts) : s_(source), p_(parts) {}

  void build() {
    if (s_.model != "gpt2" && s_.model != "llama") {
      fail(ErrorCode::kUnsupported, kWhere, "{}: vocabulary of model '{}' is not supported",
           p_.file, s_.model);
    }
    read_tokens();
    if (s_.model == "gpt2") {
      build_byte_level();
    } else {
      build_sentencepiece();
    }
    if (add_bos_ && p_.bos_id >= 0) p_.prefix.push_back(p_.bos_id);
    if (s_.add_eos.value_or(false) && p_.eos_id >= 0) p_.suffix.push_back(p_.eos_id);
  }

 private:
  void check_size(size_t found, std::string_view what) const {
    if (found == 0 || found == s_.tokens.size()) return;
    fail(ErrorCode::kCorrupt, kWhere, "{}: {} {} for {} tokens", p_.file, found, what,
         s_.tokens.size());
  }
  int32_t check_id(int32_t id, std::string_view what) const {
    if (id < -1 || id >= static_cast<int64_t>(s_.tokens.size())) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: {} id {} is not below {}", p_.file, what, id,
           s_.tokens.size());
    }
    return id;
  }

  void read_tokens() {
    if (s_.tokens.empty() || s_.tokens.size() > kMaxVocabulary) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: {} tokens; 1 to {} are allowed", p_.file,
           s_.tokens.size(), kMaxVocabulary);
    }
    check_size(s_.types.size(), "token types");
    check_size(s_.scores.size(), "scores");
    p_.tokens = s_.tokens;
    p_.kinds.assign(p_.tokens.size(), TokenKind::kNormal);
    p_.index = StringIndex(p_.tokens.size());
    for (size_t i = 0; i < p_.tokens.size(); ++i) {
      const int32_t id = static_cast<int32_t>(i);
      if (!p_.tokens[i].empty()) p_.index.insert(p_.tokens[i], id);
      if (s_.types.empty()) continue;
      switch (static_cast<VocabTokenType>(s_.types[i])) {
        case VocabTokenType::kControl:
        case VocabTokenType::kUnknown:
          p_.kinds[i] = TokenKind::kControl;
          add_token(id, true);
          break;
        case VocabTokenType::kUserDefined:
          p_.kinds[i] = TokenKind::kAdded;
          add_token(id, false);
          break;
        case VocabTokenType::kByte:
          p_.kinds[i] = TokenKind::kByte;
          break;
        default:
          break;
      }
    }
    p_.bos_id = check_id(s_.bos_id, "bos");
    p_.eos_id = check_id(s_.eos_id, "eos");
    p_.unk_id = check_id(s_.unk_id, "unk");
    p_.pad_id = check_id(s_.pad_id, "pad");
  }

  void add_token(int32_t id, bool special) {
    if (p_.tokens[id].size() > kMaxAddedTokenBytes) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: added token {} has {} bytes, the most is {}",
           p_.file, id, p_.tokens[id].size(), kMaxAddedTokenBytes);
    }
    AddedToken token;
    token.id = id;
    token.content = p_.tokens[id];
    token.special = special;
    p_.added.push_back(std::move(token));
  }

  void build_byte_level() {
    const auto& kinds = pre_kinds();
    const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                   [&](const PreKind& k) { return k.name == s_.pre; });
    if (kind == kinds.end()) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: pre-tokenizer '{}' is not supported", p_.file,
           s_.pre);
    }
    p_.model_type = "BPE";
    p_.byte_level = p_.decoder.byte_level = true;
    p_.whole_words_first = kind->whole_words_first;
    if (kind->nfc) p_.normalizers.push_back(make_unicode_normalizer(UnicodeForm::kNfc));
    for (const std::string_view split : kind->splits) {
      p_.pre_tokenizers.push_back(split == "\\p{N}" ? make_digits_split(true)
                                                    : make_split(make_regex_pattern(split, p_.file),
                                                                 SplitBehavior::kIsolated, false));
    }
    add_bos_ = s_.add_bos.value_or(kind->add_bos);
    for (const std::string& line : s_.merges) {
      // The space that parts the two is never the first character.
      const size_t space = line.find(' ', 1);
      const std::string_view all = line;
      const auto left = all.substr(0, std::min(space, all.size()));
      const auto right = space == all.npos ? std::string_view() : all.substr(space + 1);
      const std::string joined = std::string(left) + std::string(right);
      const MergeRule rule = {p_.find(left), p_.find(right), p_.find(joined),
                              static_cast<uint32_t>(p_.merges.size())};
      if (rule.left < 0 || rule.right < 0 || rule.id < 0) {
        fail(ErrorCode::kCorrupt, kWhere,
             "{}: merge {} '{}': a part or the whole is not in the vocabulary", p_.file,
             p_.merges.size(), line);
      }
      p_.merges.push_back(rule);
    }
  }

  void build_sentencepiece() {
    if (s_.scores.empty()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: a 'llama' vocabulary without scores", p_.file);
    }
    p_.model_type = "BPE";
    p_.byte_fallback = p_.decoder.byte_fallback = p_.fuse_unknown = true;
    p_.decoder.replacements = {{std::string(kMarker), " "}};
    if (s_.add_space_prefix.value_or(true)) {
      p_.normalizers.push_back(make_prepend_normalizer(std::string(kMarker)));
      p_.decoder.drop_spaces = 1;
    }
    p_.normalizers.push_back(
        make_replace_normalizer(make_literal_pattern(" "), std::string(kMarker)));
    add_bos_ = s_.add_bos.value_or(true);
    find_merges();
  }

  // SentencePiece joins any two neighbours whose union is a token, best score first: every split of
  // every token is a rule, ranked by the token's score (equal scores share a rank).
  void find_merges() {
    std::vector<float> order;
    for (size_t i = 0; i < s_.scores.size(); ++i) {
      if (s_.scores[i] != s_.scores[i]) {
        fail(ErrorCode::kCorrupt, kWhere, "{}: score of token {} is not a number", p_.file, i);
      }
      order.push_back(s_.scores[i]);
    }
    std::sort(order.begin(), order.end(), std::greater<>());
    order.erase(std::unique(order.begin(), order.end()), order.end());
    uint64_t work = 0;
    for (size_t i = 0; i < p_.tokens.size(); ++i) {
      const std::string_view token = p_.tokens[i];
      const int32_t id = static_cast<int32_t>(i);
      if (p_.kinds[i] != TokenKind::kNormal || p_.find(token) != id) continue;
      work += token.size() * token.size();
      if (work > kMaxSplitWork) {
        fail(ErrorCode::kUnsupported, kWhere, "{}: the tokens are too long (at token {})", p_.file,
             i);
      }
      const auto rank =
          std::lower_bound(order.begin(), order.end(), s_.scores[i], std::greater<>()) -
          order.begin();
      for (size_t cut = 1; cut < token.size(); ++cut) {
        const int32_t left = p_.find_plain(token.substr(0, cut));
        if (left < 0) continue;
        const int32_t right = p_.find_plain(token.substr(cut));
        if (right < 0) continue;
        p_.merges.push_back({left, right, id, static_cast<uint32_t>(rank)});
      }
    }
  }

  const VocabSource& s_;
  TokenizerParts& p_;
  bool add_bos_ = false;
};

}  // namespace

std::unique_ptr<TokenizerParts> parts_from_vocab(const VocabSource& vocabulary,
                                                 std::string_view file) {
  auto parts = std::make_unique<TokenizerParts>();
  parts->file = file;
  Builder(vocabulary, *parts).build();
  return parts;
}

}  // namespace ingot
