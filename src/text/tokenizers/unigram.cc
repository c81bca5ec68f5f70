// Unigram (T5, ALBERT, XLM-R; SentencePiece's default): of all ways to spell a word by tokens the
// one whose scores add up to most, found by dynamic programming over the ends of tokens.
#include <algorithm>
#include <limits>

#include "base/error.h"
#include "text/tokenizer_formats/sentencepiece_file.h"
#include "text/tokenizer_formats/tokenizer_source.h"
#include "text/tokenizer_pipeline/byte_trie.h"
#include "text/utf8.h"

namespace ingot {
namespace tokenizer_unigram {

constexpr std::string_view kName = "text/unigram";
// The score of tokens that are never chosen.
constexpr double kUnused = std::numeric_limits<double>::infinity();
// A character without a token costs this much more than the worst token.
constexpr float kUnknownPenalty = 10;

struct Options {
  bool byte_fallback = false;
  // Sums are kept in float and user-defined tokens win, as in SentencePiece; else in double, as in
  // Hugging Face's implementation.
  bool sentencepiece = false;
};

// The best way to spell the text up to some byte.
template <typename Sum>
struct End {
  Sum score = 0;
  uint32_t length = 0;  // of the last token; 0: no way found yet
  int32_t id = -1;      // of the last token; -1: an unknown character
};

class Unigram final : public WordModel {
 public:
  Unigram(const TokenizerParts& parts, Options options) : parts_(parts), options_(options) {
    double worst = kUnused, best = 0;
    for (size_t i = 0; i < parts.tokens.size(); ++i) {
      const double score = parts.scores[i];
      if (score == kUnused || !counts(i)) continue;
      worst = std::min(worst, score);
      best = std::max(best, score);
    }
    best_score_ = static_cast<float>(best);
    unknown_score_ = options.sentencepiece ? static_cast<float>(worst) - kUnknownPenalty
                                           : worst - kUnknownPenalty;
    for (size_t i = 0; i < parts.tokens.size(); ++i) insert(i);
    byte_ids_ = options.byte_fallback ? parts.byte_ids() : std::vector<int32_t>(256, -1);
    for (const int32_t id : byte_ids_) {
      if (id < 0) options_.byte_fallback = false;
    }
  }

  void encode(std::string_view word, std::vector<int32_t>& ids) const override {
    if (options_.sentencepiece) {
      run<float>(word, ids);
    } else {
      run<double>(word, ids);
    }
  }

 private:
  // Whether a token's score bounds that of unknown characters.
  bool counts(size_t i) const {
    return !options_.sentencepiece || parts_.kinds[i] == TokenKind::kNormal;
  }

  void insert(size_t i) {
    const std::string& token = parts_.tokens[i];
    const TokenKind kind = parts_.kinds[i];
    const bool user = options_.sentencepiece && kind == TokenKind::kAdded;
    const bool usable =
        kind == TokenKind::kNormal || user || (kind == TokenKind::kByte && !options_.sentencepiece);
    if (token.empty() || !usable || parts_.scores[i] == kUnused) return;
    if (token.size() > kMaxAddedTokenBytes) {
      fail(ErrorCode::kUnsupported, kName, "{}: token {} has {} bytes, the most is {}", parts_.file,
           i, token.size(), kMaxAddedTokenBytes);
    }
    trie_.insert(token, static_cast<int32_t>(i));
  }

  double score(int32_t id, size_t length) const {
    if (parts_.kinds[id] != TokenKind::kAdded) return parts_.scores[id];
    return static_cast<float>(length) * best_score_ - 0.1;  // more than any other way
  }

  template <typename Sum>
  void run(std::string_view word, std::vector<int32_t>& ids) const {
    std::vector<End<Sum>> ends(word.size() + 1);
    for (size_t i = 0; i < word.size();) {
      const Sum here = ends[i].score;
      const size_t one = decode_utf8(word, i).length;
      bool spelled = false;  // whether the character alone is a token
      const auto offer = [&](size_t length, int32_t id, Sum sum) {
        End<Sum>& end = ends[i + length];
        if (end.length > 0 && !(sum > end.score)) return;
        end = {sum, static_cast<uint32_t>(length), id};
      };
      trie_.for_each_prefix(word, i, [&](size_t length, int32_t id) {
        offer(length, id, static_cast<Sum>(score(id, length)) + here);
        spelled = spelled || length == one;
      });
      if (!spelled) offer(one, -1, static_cast<Sum>(unknown_score_) + here);
      i += one;
    }
    write(word, ends, ids);
  }

  template <typename Sum>
  void write(std::string_view word, std::vector<End<Sum>>& ends, std::vector<int32_t>& ids) const {
    // Turn the chain of last tokens into one of next tokens: ends[i].length becomes that of the
    // token that begins at i.
    size_t at = word.size();
    uint32_t length = 0;
    int32_t id = -1;
    while (true) {
      std::swap(length, ends[at].length);
      std::swap(id, ends[at].id);
      if (at == 0) break;
      at -= length;
    }
    for (size_t i = 0; i < word.size();) {
      if (ends[i].id >= 0) {
        ids.push_back(ends[i].id);
        i += ends[i].length;
        continue;
      }
      const size_t begin = i;
      while (i < word.size() && ends[i].id < 0) i += ends[i].length;
      write_unknown(word.substr(begin, i - begin), ids);
    }
  }

  // Neighbouring unknown characters are one unknown token.
  void write_unknown(std::string_view text, std::vector<int32_t>& ids) const {
    const int32_t whole = options_.sentencepiece ? -1 : parts_.find_plain(text);
    if (whole >= 0) {
      ids.push_back(whole);
    } else if (options_.byte_fallback) {
      for (const char c : text) ids.push_back(byte_ids_[static_cast<uint8_t>(c)]);
    } else if (parts_.unk_id >= 0) {
      ids.push_back(parts_.unk_id);
    } else {
      fail(ErrorCode::kInvalidArgument, kName,
           "{}: expected a token for '{}' or an unknown token, found neither", parts_.file,
           text.substr(0, decode_utf8(text, 0).length));
    }
  }

  const TokenizerParts& parts_;
  Options options_;
  ByteTrie trie_;
  std::vector<int32_t> byte_ids_;
  float best_score_ = 0;
  double unknown_score_ = 0;
};

inline std::unique_ptr<WordModel> read_json(const TokenizerJson& json, TokenizerParts& parts) {
  if (parts.scores.empty()) {
    fail(ErrorCode::kCorrupt, kName, "{}: expected a vocabulary with scores, found none",
         parts.file);
  }
  if (const auto id = json.number("unk_id")) {
    if (*id < 0 || *id >= static_cast<int64_t>(parts.tokens.size())) {
      fail(ErrorCode::kCorrupt, kName, "{}: expected an unk_id below {}, found {}", parts.file,
           parts.tokens.size(), *id);
    }
    parts.unk_id = static_cast<int32_t>(*id);
  }
  return std::make_unique<Unigram>(parts, Options{.byte_fallback = json.flag("byte_fallback")});
}

inline std::unique_ptr<WordModel> read(const TokenizerSource& source, TokenizerParts& parts) {
  if (source.json) return read_json(*source.json, parts);
  SentencePieceFile model;
  if (source.vocab) {
    if (source.vocab->scores.empty()) {
      fail(ErrorCode::kCorrupt, kName, "{}: a 't5' vocabulary without scores", parts.file);
    }
    // The model and the normalizer see to the tokens that the user defined.
    std::erase_if(parts.added, [](const AddedToken& t) { return !t.special; });
    model.vocab.charsmap = source.vocab->charsmap;
    model.add_space = source.vocab->add_space_prefix.value_or(true);
    model.remove_extra_spaces = source.vocab->remove_extra_spaces.value_or(false);
    use_sentencepiece_spaces(model, parts);
    parts.add_eos = true;
  } else {
    model = read_sentencepiece_file(source.bytes, source.file);
    use_sentencepiece(model, source.config, parts);
  }
  const std::vector<uint8_t>& types = source.vocab ? source.vocab->types : model.vocab.types;
  for (size_t i = 0; i < types.size(); ++i) {
    if (static_cast<VocabTokenType>(types[i]) == VocabTokenType::kUnused) parts.scores[i] = kUnused;
  }
  return std::make_unique<Unigram>(
      parts, Options{.byte_fallback = model.byte_fallback, .sentencepiece = true});
}

inline bool claims(const TokenizerSource& source) {
  return source.json || source.vocab || is_sentencepiece(source, SentencePieceFile::Type::kUnigram);
}

}  // namespace tokenizer_unigram

const TokenizerDef& unigram_tokenizer();
const TokenizerDef& unigram_tokenizer() {
  static const TokenizerDef def = {.name = "unigram",
                                   .json_models = {"Unigram"},
                                   .vocab_models = {"t5"},
                                   .file_endings = sentencepiece_endings(),
                                   .folder_names = sentencepiece_names(),
                                   .claims = tokenizer_unigram::claims,
                                   .read = tokenizer_unigram::read};
  return def;
}

}  // namespace ingot
